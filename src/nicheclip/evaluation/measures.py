"""``metrics.json``: what one subject scored by one protocol, as a flat list of measures."""

import os
import platform
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from nicheclip.evaluation.records import read_record, write_record
from nicheclip.runtime.manifest import Dropped
from nicheclip.runtime.memory import peak_resident
from nicheclip.subjects import Subject

#: what a measure may be about, beside the cell itself
FACETS = ("text_type", "group", "rank", "shots", "by", "class_id", "bin")


class Record(BaseModel):
    """Immutable; an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Measure(Record):
    """One measured number between 0 and 1; a silhouette and a cosine between -1 and 1, a
    temperature, a negative log-likelihood and a distance in ranks from 0 up."""

    name: str
    """``top1``, ``top3``, ``top5``, ``macro`` (mean of the classes' accuracies), ``majority`` (the
    share of the most frequent label), ``class_accuracy``, ``rank_accuracy``, ``recall_at_1``,
    ``rank_accuracy_summed``, ``consistency``, ``ancestor_distance`` and
    ``ancestor_distance_of_mistakes`` (``protocols.hierarchical``), ``harmonic_mean``
    (``protocols.open_set``), ``ece``, ``nll``, ``confidence`` and, by ``bin``,
    ``bin_confidence`` and ``bin_accuracy``, each also ``_scaled`` by ``temperature``,
    ``accuracy_at_80`` (percent of the images answered) and ``risk_over_coverage``
    (``evaluation.calibration``), ``batch_top1`` and ``batch_top1_worst_tenth`` (means over a
    task's batches, all of them or the worst tenth), ``best_epoch_top1`` (of an adaptation, selected
    on test), ``text_score`` and ``text_separation`` (``protocols.zero_shot.text_measures``),
    ``text_diversity`` and ``text_separability`` (``captions.text_space``, by the model's features;
    ``by`` a gate: together with the texts that this gate alone took),
    and ``signal_<name>`` of an adapted model (``models.signals``)."""
    facets: dict[str, str] = {}
    """What it is about, by ``FACETS``; a number of shots is written as digits."""
    value: float
    n: int
    """Images, folds of a few-shot accuracy, or batches of a task."""
    classes: int | None = None
    """Classes to choose from."""
    low: float | None = None
    """Lower end of the interval."""
    high: float | None = None
    confidence: float | None = None
    """Of the interval."""
    method: str | None = None
    """Of the interval: ``bootstrap`` (percentiles), ``bca`` or ``wilson`` (a share of 0 or 1, which
    the bootstrap would give no width), over images; any of them ``over classes``."""
    std: float | None = None
    """Standard deviation over folds (n - 1 in the divisor)."""
    chance: float | None = None
    """Expected value of a random answer."""

    @field_validator("facets")
    @classmethod
    def _facets_are_known(cls, facets: dict[str, str]) -> dict[str, str]:
        unknown = sorted(facets.keys() - set(FACETS))
        if unknown:
            raise ValueError(f"unknown facet {unknown[0]}; expected {', '.join(FACETS)}")
        if not facets.get("shots", "1").isdigit():
            raise ValueError(f"shots are {facets['shots']!r}; expected digits")
        return facets

    @model_validator(mode="after")
    def _interval_is_whole(self) -> Self:
        parts = (self.low, self.high, self.confidence, self.method)
        if any(part is None for part in parts) and any(part is not None for part in parts):
            raise ValueError("an interval has low, high, confidence and method")
        return self


class Cost(Record):
    """What a cell took."""

    wall_seconds: float
    peak_memory_bytes: int
    """Largest resident size of the process."""
    hardware: str


class CellMetrics(Record):
    """The content of ``metrics.json``."""

    subject: Subject
    evaluation: str
    dataset: str
    split: str
    protocol: str
    n: int
    """Images judged."""
    classes: int
    """Classes to choose from."""
    measures: list[Measure]
    counts: dict[str, int]
    """Of what the numbers rest on: gallery size, cut texts, training images."""
    excluded: list[Dropped]
    """What was left out, and why."""
    cost: Cost

    def find(self, name: str, **facets: str) -> Measure | None:
        """The measure of that name and just those facets; None where it was not measured."""
        for measure in self.measures:
            if measure.name == name and measure.facets == facets:
                return measure
        return None


def write_metrics(path: Path | str, metrics: CellMetrics) -> None:
    """Write ``metrics.json``."""
    write_record(path, metrics)


def read_metrics(path: Path | str) -> CellMetrics:
    """The metrics at ``path``, which is in ``<job>/<variant>/<evaluation>/<protocol>/``.

    Raises:
        InputError: absent, or written by another version.
    """
    job = next(iter(Path(path).parents[3:4]), Path(path).parent)
    remedy = f"Delete the folder {job} and run the evaluate stage again."
    return read_record(path, CellMetrics, name="metrics", remedy=remedy)


def measure_cost(wall_seconds: float, device: str = "cpu") -> Cost:
    """Cost of this process so far; ``device`` is named in ``hardware``."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    hardware = f"{platform.machine()}, {cores} cores, {device}"
    return Cost(
        wall_seconds=round(wall_seconds, 3), peak_memory_bytes=peak_resident(), hardware=hardware
    )
