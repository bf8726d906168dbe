"""One fit of a method that trains: from images and texts without labels to a model folder."""

from importlib import import_module
from pathlib import Path

import torch

from nicheclip.adaptation.each_epoch import keep_states
from nicheclip.adaptation.task_inputs import TaskInputs
from nicheclip.adaptation.task_texts import TaskTexts
from nicheclip.config.adaptation import Trained
from nicheclip.config.compute import ComputeConfig
from nicheclip.data.image_set import ImageSet
from nicheclip.engine import engine
from nicheclip.engine.objective import Objective
from nicheclip.engine.records import RunReport
from nicheclip.engine.settings import RunSettings
from nicheclip.engine.task import Payload, Task
from nicheclip.models.openclip import load


class AdaptationRun(Payload):
    """A method on a task with one seed; the payload of its task for the engine."""

    method: Trained
    start: Path
    """Model folder."""
    seed: int
    """Of order, views and new weights."""
    output: Path
    """Receives a model folder with ``classifier.safetensors``, ``train.json`` and
    ``history.csv``."""
    each_epoch: Path | None = None
    """Receives the state after every epoch, where it is asked for: see ``each_epoch``."""


def run(task: Task, data: Path) -> RunReport:
    """One process's part of ``task`` with the files of the task in ``data``; see ``fit``."""
    one, inputs = AdaptationRun.of(task), TaskInputs(data)
    torch.set_num_threads(task.compute.cpu_threads)
    return fit(
        one,
        images=inputs.fit,
        texts=inputs.texts(load(one.start)),
        run_folder=task.run_folder,
        compute=task.compute,
        code=task.code,
        stop_at=task.stop_at,
    )


def fit(
    one: AdaptationRun,
    *,
    images: ImageSet,
    texts: TaskTexts,
    run_folder: Path,
    compute: ComputeConfig | None = None,
    code: str = "",
    stop_at: float | None = None,
) -> RunReport:
    """Adapt a model to ``images``, in this process.

    Labels are no argument, and an ``ImageSet`` has none. What comes out is the last epoch's.

    Args:
        one: the run.
        images: of the target.
        texts: of the classes, by the start model.
        run_folder: see ``engine.run``.
        compute: with what; on the CPU where None.
        code: see ``engine.run``.
        stop_at: see ``engine.run``.

    Raises:
        as ``engine.run`` and ``AdaptationObjective``.
    """
    options = one.method

    def make() -> Objective:
        """The objective of the method, by name: a change of one makes no other stale."""
        module = import_module(f"nicheclip.adaptation.trained.{options.kind}")
        objective: Objective = module.OBJECTIVE(
            options, start=one.start, images=images, texts=texts, seed=one.seed
        )
        return objective

    settings = RunSettings(
        epochs=options.epochs,
        batch_size=options.batch_size,
        seed=one.seed,
        optimizer=options.optimizer,
        schedule=options.schedule,
        compute=compute or ComputeConfig(),
        determines=options.determines() | ({"best_epoch": True} if one.each_epoch else {}),
        precision=options.precision,
        pieces=options.accumulation,
    )
    return engine.run(
        settings,
        make,
        run_folder=run_folder,
        output=one.output,
        code=code,
        stop_at=stop_at,
        after_epoch=keep_states(one.each_epoch) if one.each_epoch else None,
    )
