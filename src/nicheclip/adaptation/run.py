"""One fit of a method that trains, as the processes that work on it are told of it."""

from pathlib import Path

import torch

from nicheclip.adaptation.fit import fit
from nicheclip.adaptation.task_inputs import TaskInputs
from nicheclip.config.adaptation import Trained
from nicheclip.engine.records import RunReport
from nicheclip.engine.task import Payload, Task
from nicheclip.models.openclip import load


class AdaptationRun(Payload):
    """A method on a task with one seed; the payload of its task for the engine."""

    method: Trained
    start: Path
    """Model folder."""
    task: Path
    """Folder of the task."""
    seed: int
    output: Path
    """Receives a model folder with ``classifier.safetensors``, and ``train.json``."""
    each_epoch: Path | None = None
    """Receives the state after every epoch, where it is asked for."""


def run(task: Task, data: Path) -> RunReport:
    """One process's part of ``task`` with the files of the task in ``data``; see ``fit``."""
    one, inputs = AdaptationRun.of(task), TaskInputs(data)
    torch.set_num_threads(task.compute.cpu_threads)
    return fit(
        one.method,
        start=one.start,
        images=inputs.fit,
        texts=inputs.texts(load(one.start)),
        seed=one.seed,
        output=one.output,
        run_folder=task.run_folder,
        compute=task.compute,
        code=task.code,
        stop_at=task.stop_at,
        each_epoch=one.each_epoch,
    )
