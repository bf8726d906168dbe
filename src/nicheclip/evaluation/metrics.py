"""``metrics.json``: the numbers of one cell (one model judged by one protocol)."""

import os
import platform
import resource
import sys
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import BaseModel, ConfigDict

from nicheclip.config.evaluation import EvaluationConfig
from nicheclip.evaluation.bootstrap import Interval, share_interval
from nicheclip.evaluation.predictions import Predictions
from nicheclip.evaluation.records import read_record, write_record
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.manifest import Dropped
from nicheclip.terms import RANKS


class Record(BaseModel):
    """Immutable; an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class JudgedModel(Record):
    """Which model a cell judges."""

    origin: Literal["models", "train", "baseline"]
    """A model before training, a training run, or a baseline that is no CLIP."""
    name: str


class Cell(Record):
    """What was judged, by which task."""

    evaluation: str
    dataset: str
    split: str
    model: JudgedModel
    seed: int | None
    """Of the model's training; null where nothing was trained."""


class Measure(Record):
    """A measured number between 0 and 1."""

    value: float
    n: int
    """Images, or folds of a few-shot accuracy."""
    interval: Interval | None = None
    """Over images, or over classes in a ``GroupAccuracy``."""
    std: float | None = None
    """Standard deviation over folds (n - 1 in the divisor)."""
    chance: float | None = None
    """Expected value of a random answer."""


class ClassAccuracy(Record):
    """Top-1 accuracy on the images of one class."""

    class_id: str
    n: int
    accuracy: float


class RankAccuracy(Record):
    """How often the predicted lineage agrees with the true one down to a rank."""

    rank: str
    n: int
    """Images whose true class has a name at this rank."""
    accuracy: float


class GroupAccuracy(Record):
    """Zero-shot accuracy by one text type among the classes of one group."""

    text_type: str
    group: str
    """As ``standing.Group`` has it."""
    classes: int
    """Classes to choose from; the images are theirs."""
    top1: Measure
    """Its interval is over classes: images of one species are not independent."""
    top5: Measure | None
    """Null where there are no more than five classes."""
    macro: float
    """Mean of the classes' accuracies."""
    hierarchical: list[RankAccuracy] | None
    """Null where the classes have no ranks."""

    @property
    def measures(self) -> dict[str, Measure]:
        """What was measured, by the name that ``CellMetrics.measure`` takes."""
        tops = {"top1": self.top1, "top5": self.top5}
        return {f"{k}/{self.text_type}/{self.group}": m for k, m in tops.items() if m}


class Cost(Record):
    """What a cell took."""

    wall_seconds: float
    peak_memory_bytes: int
    """Largest resident size of the process."""
    hardware: str


class CellMetrics(Cell):
    """The content of ``metrics.json``."""

    protocol: Literal["zero_shot", "retrieval", "few_shot", "text_types", "colour_histogram"]
    n: int
    """Images judged."""
    classes: int
    """Classes to choose from."""
    top1: Measure | None = None
    top3: Measure | None = None
    """Null where there are no more than three classes."""
    top5: Measure | None = None
    """Null where there are no more than five classes."""
    macro: float | None = None
    """Mean of the classes' accuracies."""
    chance: float | None = None
    """Top-1 accuracy of a uniformly random class."""
    majority: float | None = None
    """Share of the most frequent label: what always answering it would get."""
    per_class: list[ClassAccuracy] = []
    hierarchical: list[RankAccuracy] | None = None
    """Null where the classes have no ranks."""
    groups: list[GroupAccuracy] = []
    """Of protocol ``text_types``: each text type with each group of classes."""
    extra: dict[str, Measure] = {}
    """``recall_at_1_class``, ``recall_at_1_item``, ``shots_1``, ..."""
    counts: dict[str, int] = {}
    """Of what the numbers rest on: gallery size, cut texts, training images."""
    excluded: list[Dropped] = []
    """What was left out of the judgement, and why."""
    cost: Cost

    def measure(self, name: str) -> Measure | None:
        """The measure called ``name``; None where it was not measured.

        Args:
            name: ``top1``, ``top3``, ``top5``, one of ``extra``, or ``top1/taxon_com/unseen`` for
                a text type and a group.
        """
        tops = {"top1": self.top1, "top3": self.top3, "top5": self.top5}
        if name in tops:
            return tops[name]
        grouped = {key: m for entry in self.groups for key, m in entry.measures.items()}
        return grouped.get(name) or self.extra.get(name)

    def group(self, text_type: str, group: str) -> GroupAccuracy | None:
        """The entry of ``groups`` of that text type and group; None where there is none."""
        entries = {(entry.text_type, entry.group): entry for entry in self.groups}
        return entries.get((text_type, group))


def write_metrics(path: Path | str, metrics: CellMetrics) -> None:
    """Write ``metrics.json``."""
    write_record(path, metrics)


def read_metrics(path: Path | str) -> CellMetrics:
    """The metrics at ``path``.

    Raises:
        InputError: absent, or written by another version.
    """
    return read_record(path, CellMetrics, name="metrics", stage="evaluate")


def measure_cost(wall_seconds: float, device: str = "cpu") -> Cost:
    """Cost of this process so far; ``device`` is named in ``hardware``."""
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    hardware = f"{platform.machine()}, {cores} cores, {device}"
    return Cost(wall_seconds=round(wall_seconds, 3), peak_memory_bytes=peak, hardware=hardware)


def measure_share(
    credit: npt.NDArray[np.float64],
    config: EvaluationConfig,
    seed: int,
    chance: float | None = None,
) -> Measure:
    """Mean credit (0 to 1) of n images with its bootstrap interval."""
    interval = share_interval(
        credit, resamples=config.bootstrap, confidence=config.confidence, seed=seed
    )
    return Measure(value=float(credit.mean()), n=len(credit), interval=interval, chance=chance)


def judge_predictions(
    cell: Cell,
    protocol: Literal["zero_shot", "retrieval", "colour_histogram"],
    predictions: Predictions,
    class_ids: list[str],
    classes: pl.DataFrame,
    config: EvaluationConfig,
    *,
    seed: int,
    cost: Cost,
) -> CellMetrics:
    """All metrics that follow from predictions.

    Args:
        cell: what was judged.
        protocol: how.
        predictions: of n > 0 images.
        class_ids: the C classes that the model chose from.
        classes: classes table (schema ``CLASSES``), for the ranks.
        config: number of resamples and confidence.
        seed: of the bootstrap.
        cost: of making the predictions.
    """
    if not predictions.image_ids:
        raise InputError(f"evaluation {cell.evaluation}: no image of split {cell.split} to judge.")
    count = len(class_ids)
    per_class = class_accuracies(predictions)

    def top(k: int) -> Measure | None:
        if k > 1 and count <= k:
            return None
        return measure_share(predictions.correct(k), config, seed, chance=k / count)

    return CellMetrics(
        **cell.model_dump(),
        protocol=protocol,
        n=len(predictions.image_ids),
        classes=count,
        top1=top(1),
        top3=top(3),
        top5=top(5),
        macro=float(np.mean([entry.accuracy for entry in per_class])),
        chance=1 / count,
        majority=max(entry.n for entry in per_class) / len(predictions.image_ids),
        per_class=per_class,
        hierarchical=rank_accuracies(predictions, classes),
        cost=cost,
    )


def class_accuracies(predictions: Predictions) -> list[ClassAccuracy]:
    """Top-1 accuracy of each class that has images, sorted by class id."""
    table = pl.DataFrame({"label": predictions.labels, "hit": predictions.correct()})
    grouped = table.group_by("label").agg(pl.len().alias("n"), pl.col("hit").mean()).sort("label")
    return [ClassAccuracy(class_id=c, n=n, accuracy=a) for c, n, a in grouped.iter_rows()]


def rank_accuracies(predictions: Predictions, classes: pl.DataFrame) -> list[RankAccuracy] | None:
    """Hierarchical accuracy: does the predicted lineage agree with the true one at each rank?

    At a rank, an image counts when its true class has a name there. The prediction is right when
    it has the same name and contradicts the truth at no higher rank (names repeat in different
    kingdoms); a rank that either lineage leaves open contradicts nothing.

    Args:
        predictions: top-1 classes are judged.
        classes: classes table (schema ``CLASSES``).

    Returns:
        One entry per rank that occurs, from kingdom to species; None when no class has ranks.
    """
    lineages = {row[0]: row[1:] for row in classes.select("class_id", *RANKS).iter_rows()}
    unknown = (None,) * len(RANKS)
    pairs = [
        (lineages.get(label, unknown), lineages.get(best, unknown))
        for label, best in zip(predictions.labels, predictions.best, strict=True)
    ]
    accuracies = []
    for depth, rank in enumerate(RANKS):
        hits = [
            guess[depth] == true[depth] and _compatible(true[:depth], guess[:depth])
            for true, guess in pairs
            if true[depth]
        ]
        if hits:
            accuracies.append(RankAccuracy(rank=rank, n=len(hits), accuracy=sum(hits) / len(hits)))
    return accuracies or None


def _compatible(first: tuple[str | None, ...], second: tuple[str | None, ...]) -> bool:
    return all(a == b for a, b in zip(first, second, strict=True) if a and b)
