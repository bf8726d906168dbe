"""BioCLIP: zero-shot and few-shot accuracy, published and measured."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nicheclip.evaluation.metrics import read_metrics
from nicheclip.reporting.bioclip_cells import AMONG, COUNTS, TEXT_TYPES, RunCells
from nicheclip.reporting.over_seeds import over_seeds
from nicheclip.reporting.scale import Scale, marked
from nicheclip.reporting.table import Column, Content, Measured, Number, Table
from nicheclip.runtime.errors import InputError

#: the data set of the published numbers, as the registry calls it; BioCLIP saw none of its species
RARE_SPECIES = "rare_species"

PREFIX = "shots_"

COLUMNS = (
    Column("model", "Model"),
    Column("dataset", "Data set"),
    Column("species", "Species"),
    Column("shots", "Shots"),
    Column("published", "Published"),
    Column("accuracy", "Accuracy", interval=True),
    Column("difference", "Difference"),
    Column("before_training", "Before training", interval=True),
    *COUNTS,
)


@dataclass(frozen=True)
class PublishedAccuracy:
    """A number of the paper."""

    model: str
    shots: int
    accuracy: float
    source: str


@dataclass(frozen=True)
class Task:
    """Zero-shot and few-shot cells of one run on the same images and classes."""

    dataset: str
    """The registry's name of the data set, or the config's."""
    group: str
    """``all``, ``seen`` or ``unseen``."""
    zero_shot: RunCells
    """Cells of protocol ``text_types``."""
    few_shot: RunCells


def read_published(path: Path | str) -> list[PublishedAccuracy]:
    """The paper's numbers from the registry.

    Raises:
        InputError: a column is missing or a number is none.
    """
    with Path(path).open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    try:
        return [
            PublishedAccuracy(r["model"], int(r["shots"]), float(r["accuracy"]), r["source"])
            for r in rows
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: expected the columns model, shots (a whole number), accuracy (a number) and "
            f"source ({error!r})."
        ) from error


def few_shot_table(
    tasks: Sequence[Task], published: Sequence[PublishedAccuracy], text_type: str, *, scale: Scale
) -> Table:
    """The paper's rows, then a row for each run, task and number of shots that it does not have.

    Args:
        tasks: what was measured.
        published: on ``RARE_SPECIES``.
        text_type: of the zero-shot test.
        scale: of the config; the difference stands at the paper's scale alone.
    """
    values = {(row.model, RARE_SPECIES, "unseen", row.shots): row.accuracy for row in published}
    cells = {key: row for task in tasks for key, row in _measured(task, text_type).items()}
    rows = []
    for key in dict.fromkeys([*values, *cells]):
        paper = Number(values[key]) if key in values else None
        accuracy, before, *rest = cells.get(key, [None] * (len(COLUMNS) - 6))
        difference = None
        if paper and isinstance(accuracy, Measured) and scale == "paper":
            difference = Measured(accuracy.value - paper.value, accuracy.sources, signed=True)
        model, dataset, group, shots = key
        names: tuple[Content, ...] = (model, dataset, group, _shots(shots))
        rows.append((*names, paper, accuracy, difference, before, *rest))
    sources = sorted({row.source for row in published})
    return Table(
        title=marked("BioCLIP: zero-shot and few-shot accuracy", scale),
        columns=COLUMNS,
        rows=tuple(rows),
        notes=(
            f"Zero-shot: tested with {TEXT_TYPES[text_type]} names. Few-shot: SimpleShot, nearest "
            "centroid of so many support images per species. " + AMONG,
            "Several seeds: mean ± standard deviation over seeds with Student's interval. One "
            "seed: ± is over support sets, an interval without ± over species.",
            *([f"Published: {'; '.join(sources)}."] if sources else []),
        ),
        constants=(("scale", scale),),
    )


def _shots(shots: int) -> str:
    return "zero-shot" if shots == 0 else f"{shots}-shot"


def _measured(task: Task, text_type: str) -> dict[tuple[str, str, str, int], list[Content]]:
    """Accuracy, before training, and the counts; by model, data set, group, shots."""
    first = read_metrics(task.few_shot.trained[0])
    shots = sorted(int(k.removeprefix(PREFIX)) for k in first.extra if k.startswith(PREFIX))
    rows: dict[tuple[str, str, str, int], list[Content]] = {}
    for count in (0, *shots):
        cells = task.few_shot if count else task.zero_shot
        name = f"{PREFIX}{count}" if count else f"top1/{text_type}/{task.group}"
        cell = read_metrics(cells.trained[0])
        measure = cell.measure(name)
        if measure is None or measure.chance is None:
            continue
        images = cell.n if count else measure.n
        rows[(cells.label, task.dataset, task.group, count)] = [
            over_seeds(cells.trained, name),
            over_seeds(cells.untrained, name) if cells.untrained else None,
            Number(measure.chance),
            Number(images, digits=0),
            Number(round(1 / measure.chance), digits=0),
            Number(len(cells.trained), digits=0),
        ]
    return rows
