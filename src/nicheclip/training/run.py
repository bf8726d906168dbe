"""A training run of the config: from a start model and a data set to a trained model."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from nicheclip.config.training import TrainingConfig
from nicheclip.engine import engine
from nicheclip.engine.objective import Objective
from nicheclip.engine.records import RunReport
from nicheclip.engine.settings import RunSettings
from nicheclip.engine.task import Payload, Task
from nicheclip.training.data import TrainingData


class DataSetFiles(BaseModel):
    """Where another data set is that a run reads, from its place and not from a copy."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    images: Path
    class_texts: Path
    captions: Path | None = None

    @classmethod
    def of(cls, files: Sequence[str]) -> Self | None:
        """From the files of ``replayed`` or ``validated`` in ``plan.training_inputs``; None where
        there are none.
        """
        if not files:
            return None
        index, _, class_texts, *captions = map(Path, files)
        folder = captions[0].parent if captions else None
        return cls(images=index.parents[1], class_texts=class_texts, captions=folder)

    def data(self) -> TrainingData:
        """To be read."""
        return TrainingData(self.images, self.class_texts, self.captions)


class TrainingRun(Payload):
    """One run of the config with one seed; the payload of its task."""

    config: TrainingConfig
    start: Path
    """Model folder in open_clip's layout."""
    class_texts: Path
    """Schema ``CLASS_TEXTS``."""
    captions: Path | None = None
    """Folder with the captions of each split; None: no image has one."""
    lineages: Path | None = None
    """Folder with the taxa of the classes, for training by ranks."""
    replay: DataSetFiles | None = None
    """Of the config's `replay`."""
    validation: DataSetFiles | None = None
    """Of the config's `validation`, where it names another data set."""
    seed: int
    """Of the order of samples, augmentation and text choice."""
    output: Path
    """Receives the model folder, ``train.json`` and ``history.csv``, and ``epochs`` with a model
    folder of each of the last epochs, where they are kept."""
    data: dict[str, Any] | None = None
    """What ``data.attribution.Attribution`` says of the training images, as plain values, for the
    model's card; without it none is written."""


def run(task: Task, data: Path) -> RunReport:
    """One process's part of ``task`` with the images in ``data``; see ``train``."""
    return train(
        TrainingRun.of(task),
        images=data,
        run_folder=task.run_folder,
        code=task.code,
        stop_at=task.stop_at,
    )


def train(
    one: TrainingRun,
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

    def make() -> Objective:
        """The objective of the config's kind, by name: a change of one makes no other stale."""
        module = import_module(f"nicheclip.training.objectives.{one.config.recipe.kind}")
        objective: Objective = module.OBJECTIVE(
            one.config,
            start=one.start,
            data=TrainingData(
                images,
                one.class_texts,
                one.captions,
                one.lineages,
                one.replay.data() if one.replay else None,
                one.validation.data() if one.validation else None,
            ),
            seed=one.seed,
        )
        return objective

    def describe(report: RunReport) -> None:
        """Write the model's card; found by name, since new words for it train nothing again."""
        if one.data:
            card = import_module("nicheclip.training.card")
            card.write(one.output, one.config, one.data, report)

    return engine.run(
        _settings(one),
        make,
        run_folder=run_folder,
        output=one.output,
        code=code,
        stop_at=stop_at,
        describe=describe,
    )


def _settings(one: TrainingRun) -> RunSettings:
    config = one.config
    return RunSettings(
        epochs=config.epochs,
        min_steps=config.min_steps,
        batch_size=config.batch_size,
        seed=one.seed,
        optimizer=config.optimizer,
        schedule=config.schedule,
        compute=config.compute,
        determines=config.determines(),
        precision=config.precision,
        pieces=config.accumulation,
        ema=config.ema,
        keep=config.keep,
        keep_epochs=config.keep_epochs,
        channels_last=config.channels_last,
        compiled=config.compile,
        sharded=config.compute.sharding,
    )
