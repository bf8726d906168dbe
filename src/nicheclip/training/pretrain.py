"""A self-supervised training of the config: from the images of a data set to a backbone."""

from importlib import import_module
from pathlib import Path

from nicheclip.config.pretraining import PretrainingConfig
from nicheclip.engine import engine
from nicheclip.engine.objective import Objective
from nicheclip.engine.records import RunReport
from nicheclip.engine.settings import RunSettings
from nicheclip.engine.task import Payload, Task


class PretrainingRun(Payload):
    """One run of the config with one seed; the payload of its task."""

    config: PretrainingConfig
    seed: int
    """Of the weights, the order of samples and the crops."""
    output: Path
    """Receives the backbone (see ``models.backbones``), ``train.json`` and ``history.csv``."""


def run(task: Task, data: Path) -> RunReport:
    """One process's part of ``task`` with the images in ``data``; see ``pretrain``."""
    return pretrain(
        PretrainingRun.of(task),
        images=data,
        run_folder=task.run_folder,
        code=task.code,
        stop_at=task.stop_at,
    )


def pretrain(
    one: PretrainingRun,
    *,
    images: Path,
    run_folder: Path,
    code: str = "",
    stop_at: float | None = None,
) -> RunReport:
    """Train, in this process, as one of those that the environment tells of.

    Args:
        one: the run.
        images: folder of the data set: ``train``, and ``val`` if there is one.
        run_folder: see ``engine.run``.
        code: see ``engine.run``.
        stop_at: see ``engine.run``.

    Raises:
        as ``engine.run``.
    """
    config = one.config

    def make() -> Objective:
        module = import_module(f"nicheclip.training.objectives.{config.recipe.kind}")
        objective: Objective = module.OBJECTIVE(config, images=images, seed=one.seed)
        return objective

    settings = RunSettings(
        epochs=config.epochs,
        min_steps=config.min_steps,
        batch_size=config.batch_size,
        seed=one.seed,
        optimizer=config.optimizer,
        schedule=config.schedule,
        compute=config.compute,
        determines=config.determines(),
        precision=config.precision,
        channels_last=config.channels_last,
    )
    return engine.run(
        settings, make, run_folder=run_folder, output=one.output, code=code, stop_at=stop_at
    )
