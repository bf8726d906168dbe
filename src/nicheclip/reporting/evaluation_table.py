"""Everything that one evaluation judges, as a table: a row for each model, seeds together."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from nicheclip.evaluation.metrics import CellMetrics, read_metrics
from nicheclip.reporting.over_seeds import over_seeds
from nicheclip.reporting.table import Column, Content, Measured, Number, Table

STATES = {"models": "before training", "train": "trained", "baseline": "baseline"}

NAMES = {
    "recall_at_1_class": "Recall@1 by class",
    "recall_at_1_item": "Recall@1 by item",
}

#: the numbers of each protocol that the table shows
SHOWN = {
    "zero_shot": ("top1", "top5"),
    "retrieval": ("recall_at_1_class", "recall_at_1_item"),
    "few_shot": (),  # whatever numbers of shots there are
    "text_types": (),  # top-1 of whatever text types and groups there are
    "colour_histogram": ("top1", "top5"),
}


def evaluation_table(
    evaluation: str, metrics: Sequence[Path], *, scale: Literal["demo", "paper", "own"]
) -> Table:
    """One row for each model, protocol and measure of ``evaluation``.

    Args:
        evaluation: its name, for the title.
        metrics: the ``metrics.json`` of all its cells.
        scale: of the config; the demo's tables say so.
    """
    groups: dict[tuple[str, str, str], list[Path]] = {}
    cells: dict[tuple[str, str, str], CellMetrics] = {}
    for path in metrics:
        cell = read_metrics(path)
        key = (cell.protocol, cell.model.origin, cell.model.name)
        groups.setdefault(key, []).append(path)
        cells[key] = cell
    rows = [
        (measure, row) for key, paths in groups.items() for measure, row in _rows(cells[key], paths)
    ]
    order = {measure: place for place, measure in enumerate(dict.fromkeys(m for m, _ in rows))}
    rows.sort(key=lambda item: order[item[0]])
    return Table(
        title=f"Evaluation {evaluation}" + (" (demo scale)" if scale == "demo" else ""),
        columns=(
            Column("measure", "Measure"),
            Column("model", "Model"),
            Column("state", "State"),
            Column("value", "Value", interval=True),
            Column("chance", "Chance"),
            Column("n", "n"),
            Column("classes", "Classes"),
            Column("seeds", "Seeds"),
        ),
        rows=tuple(row for _, row in rows),
        notes=(
            "Several seeds: mean ± standard deviation with Student's interval of the mean; one: "
            "bootstrap interval over images, or, by text type, over classes. n: images; of "
            "few-shot accuracy, support sets. By text type, images choose among the classes of "
            "their group.",
        ),
        constants=(("evaluation", evaluation), ("scale", scale)),
    )


def _rows(cell: CellMetrics, paths: list[Path]) -> list[tuple[str, tuple[Content, ...]]]:
    groups = {f"top1/{entry.text_type}/{entry.group}": entry.classes for entry in cell.groups}
    shown = SHOWN[cell.protocol] or (*groups, *cell.extra)
    rows = []
    for measure in shown:
        first = cell.measure(measure)
        if first is None:
            continue
        value: Measured = over_seeds(paths, measure)
        label = _label(cell.protocol, measure)
        row: tuple[Content, ...] = (
            label,
            cell.model.name,
            STATES[cell.model.origin],
            value,
            None if first.chance is None else Number(first.chance),
            Number(first.n, digits=0),
            Number(groups.get(measure, cell.classes), digits=0),
            Number(len(paths), digits=0),
        )
        rows.append((label, row))
    return rows


def _label(protocol: str, measure: str) -> str:
    if protocol in ("zero_shot", "colour_histogram"):
        return "top-1 accuracy" if measure == "top1" else "top-5 accuracy"
    if protocol == "text_types":
        _, text_type, group = measure.split("/")
        return f"top-1, {text_type}, {group.replace('_', ' ')}"
    if measure.startswith("shots_"):
        return f"{measure.removeprefix('shots_')}-shot accuracy"
    return NAMES[measure]
