"""What BioCLIP's tables share: the files behind a row, and the words that they use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nicheclip.evaluation.metrics import GroupAccuracy, read_metrics
from nicheclip.reporting.over_seeds import over_seeds
from nicheclip.reporting.table import Column, Content, Measured, Number

#: groups of classes that the tables show, and what they are called
GROUPS = {
    "seen": "seen",
    "unseen": "unseen",
    "unseen_known_genus": "unseen, seen genus",
    "unseen_new_genus": "unseen, new genus",
}

#: groups that the figures show
PANELS = ("seen", "unseen")

#: text types in words
TEXT_TYPES = {
    "sci": "scientific",
    "com": "common",
    "taxon": "taxonomic",
    "sci_com": "scientific + common",
    "taxon_com": "taxonomic + common",
    "taxontag": "taxonomic, ranks named",
    "taxontag_com": "taxonomic, ranks named, + common",
    "mixed": "all of them, mixed",
}

OVER_SEEDS = (
    "Several seeds: mean ± standard deviation with Student's interval of the mean over seeds, for "
    "these species. One seed: bootstrap interval over species."
)

AMONG = (
    "Images of seen species choose among the seen species, images of unseen species among the "
    "unseen ones. Unseen: no image of the species was in training."
)

#: the last columns of a table of accuracies
COUNTS = (
    Column("chance", "Chance"),
    Column("n", "Images"),
    Column("classes", "Species"),
    Column("seeds", "Seeds"),
)


@dataclass(frozen=True)
class RunCells:
    """The ``metrics.json`` files of one training run."""

    label: str
    """Of the row."""
    trained: tuple[Path, ...]
    """One file per seed."""
    untrained: tuple[Path, ...] = ()
    """Of the same model before training: one file, or one per seed."""


def run_cells(rows: Mapping[str, Mapping[str, Sequence[str]]]) -> list[RunCells]:
    """From a job's params: label, then ``train`` and ``models``, then paths."""
    return [
        RunCells(label, tuple(map(Path, cells["train"])), tuple(map(Path, cells["models"])))
        for label, cells in rows.items()
    ]


def group_accuracy(run: RunCells, text_type: str, group: str) -> GroupAccuracy | None:
    """What the first seed of ``run`` has; None where there are too few classes in the group."""
    return read_metrics(run.trained[0]).group(text_type, group)


def top1(paths: Sequence[Path], text_type: str, group: str) -> Measured | None:
    """Top-1 accuracy over seeds; None without files."""
    return over_seeds(paths, f"top1/{text_type}/{group}") if paths else None


def counts(accuracy: GroupAccuracy, seeds: int) -> tuple[Content, ...]:
    """The cells below ``COUNTS``."""
    return (
        Number(1 / accuracy.classes),
        Number(accuracy.top1.n, digits=0),
        Number(accuracy.classes, digits=0),
        Number(seeds, digits=0),
    )


def cells_by_key(columns: Sequence[Column], row: Sequence[Content]) -> dict[str, Any]:
    """A row of a table as a mapping from the columns' keys."""
    return dict(zip((column.key for column in columns), row, strict=True))
