"""One fit of a method that trains, as the processes that work on it are told of it."""

from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict

from nicheclip.adaptation.fit import fit
from nicheclip.adaptation.task_inputs import TaskInputs
from nicheclip.config.adaptation import Trained
from nicheclip.config.training import ComputeConfig
from nicheclip.engine.records import RunReport
from nicheclip.engine.task import Task
from nicheclip.models.openclip import load


class AdaptationRun(BaseModel):
    """A method on a task with one seed; the payload of its task for the engine."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: Trained
    start: Path
    """Model folder."""
    task: Path
    """Folder of the task."""
    seed: int
    output: Path
    """Receives a model folder with ``classifier.safetensors``, and ``train.json``."""

    def for_engine(
        self,
        compute: ComputeConfig,
        *,
        run_folder: Path,
        log: Path,
        code: str,
        stop_at: float | None,
    ) -> Task:
        """What starts the processes; see ``Task``."""
        return Task(
            entry=__name__,
            payload=self.model_dump(mode="json"),
            compute=compute,
            data=self.task,
            run_folder=run_folder,
            log=log,
            code=code,
            stop_at=stop_at,
        )


def run(task: Task, data: Path) -> RunReport:
    """One process's part of ``task`` with the files of the task in ``data``; see ``fit``."""
    one, inputs = AdaptationRun.model_validate(task.payload), TaskInputs(data)
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
    )
