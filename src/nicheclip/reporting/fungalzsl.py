"""FungalZSL, Table 1: Recall@1 of each backbone, published and measured."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nicheclip.evaluation.metrics import CellMetrics, read_metrics
from nicheclip.reporting.over_seeds import over_seeds
from nicheclip.reporting.scale import Scale, marked
from nicheclip.reporting.table import Column, Content, Measured, Number, Table
from nicheclip.runtime.errors import InputError

BY_CLASS = "recall_at_1_class"
BY_ITEM = "recall_at_1_item"

COLUMNS = (
    Column("model", "CLIP"),
    Column("published", "Published"),
    Column("recall_at_1_class", "Recall@1 by class", interval=True),
    Column("difference", "Difference"),
    Column("recall_at_1_item", "Recall@1 by item", interval=True),
    Column("before_training", "Before training", interval=True),
    Column("chance_class", "Chance by class"),
    Column("chance_item", "Chance by item"),
    Column("colour_histogram", "Colour histogram", interval=True),
    Column("n", "Images"),
    Column("seeds", "Seeds"),
)


@dataclass(frozen=True)
class PublishedRow:
    """A row of the paper's table."""

    model: str
    recall_at_1: float
    source: str


@dataclass(frozen=True)
class MeasuredRow:
    """The ``metrics.json`` files that fill a row."""

    label: str
    trained: tuple[Path, ...]
    """Retrieval of the trained model, one file per seed."""
    untrained: tuple[Path, ...]
    """Retrieval of the same model before training: one file, or one per seed."""
    baseline: Path | None
    """The colour histogram."""


def read_published(path: Path | str) -> list[PublishedRow]:
    """The paper's numbers from the registry.

    Raises:
        InputError: a column is missing or a number is none.
    """
    with Path(path).open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    try:
        return [PublishedRow(r["model"], float(r["recall_at_1"]), r["source"]) for r in rows]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: expected the columns model, recall_at_1 (a number) and source ({error!r})."
        ) from error


def fungalzsl_table(
    measured: Sequence[MeasuredRow],
    published: Sequence[PublishedRow],
    *,
    scale: Scale,
) -> Table:
    """Table 1: the paper's rows in its order, then rows that the paper does not have.

    Cells of a row that was not run are empty. The difference to the published number stands only
    at the scale of the paper.
    """
    runs = {row.label: row for row in measured}
    values = {row.model: row for row in published}
    labels = [*values, *(label for label in runs if label not in values)]
    return Table(
        title=marked("FungalZSL, Table 1: Recall@1 of image-to-text retrieval", scale),
        columns=COLUMNS,
        rows=tuple(_row(label, values.get(label), runs.get(label), scale) for label in labels),
        notes=_notes(measured, published),
        constants=(("scale", scale),),
    )


def _row(
    label: str, published: PublishedRow | None, run: MeasuredRow | None, scale: str
) -> tuple[Content, ...]:
    paper = Number(published.recall_at_1) if published else None
    if run is None or not run.trained:
        return (label, paper, *[None] * (len(COLUMNS) - 2))
    cells = [read_metrics(path) for path in run.trained]
    by_class = over_seeds(run.trained, BY_CLASS)
    first = cells[0]
    difference = None
    if published and scale == "paper":
        difference = Measured(by_class.value - published.recall_at_1, by_class.sources, signed=True)
    return (
        label,
        paper,
        by_class,
        difference,
        over_seeds(run.trained, BY_ITEM),
        over_seeds(run.untrained, BY_CLASS) if run.untrained else None,
        _chance(first, BY_CLASS),
        _chance(first, BY_ITEM),
        over_seeds((run.baseline,), "top1") if run.baseline else None,
        Number(first.n, digits=0),
        Number(len(run.trained), digits=0),
    )


def _chance(cell: CellMetrics, name: str) -> Number | None:
    chance = cell.extra[name].chance
    return None if chance is None else Number(chance)


def _notes(measured: Sequence[MeasuredRow], published: Sequence[PublishedRow]) -> tuple[str, ...]:
    notes = [
        "By class: the text in first place is one of the image's class, which is how the published "
        "numbers are read. By item: it is the image's own. Texts that share the first place share "
        "the credit."
    ]
    seeds = {len(row.trained) for row in measured}
    if any(count > 1 for count in seeds):
        notes.append(
            "Mean ± standard deviation over seeds, with Student's interval of the mean over seeds; "
            "numbers without ± have a bootstrap interval over images."
        )
    elif seeds:
        notes.append("Intervals: bootstrap over images.")
    sources = sorted({row.source for row in published})
    if sources:
        notes.append(f"Published: {'; '.join(sources)}.")
    return tuple(notes)
