"""BioCLIP's tables as pictures: dots with intervals, seen and unseen species side by side."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from nicheclip.reporting.bioclip_cells import PANELS, cells_by_key
from nicheclip.reporting.dots import Series, dots_figure
from nicheclip.reporting.style import COLOURS, MARKERS, MUTED, WRONG
from nicheclip.reporting.table import Table


def accuracy_figure(table: Table, lines: str, value: str) -> Figure:
    """Accuracy of the trained models, of the same before training, and of chance.

    Args:
        table: with the columns model, species, before_training, chance and the two below; rows
            without a measured number are left out.
        lines: the column that names the lines.
        value: the column of the accuracy.
    """
    rows = [row for row in _rows(table) if row[value] is not None]
    names = list(dict.fromkeys(row[lines] for row in rows))
    panels = {}
    for group in _groups(rows):
        series = []
        for number, model in enumerate(dict.fromkeys(row["model"] for row in rows)):
            found = {r[lines]: r for r in rows if (r["model"], r["species"]) == (model, group)}
            ordered = [found.get(name, {}) for name in names]
            series += _of_one_model(ordered, value, str(model), number)
        panels[f"{group} species"] = series
    label = next(column.label for column in table.columns if column.key == value)
    return dots_figure(panels, names, title=table.title, measure=f"{label}, with interval")


def _of_one_model(
    rows: Sequence[dict[str, Any]], value: str, model: str, number: int
) -> list[Series]:
    chance = Series("chance", [row.get("chance") for row in rows], WRONG, dashed=True)
    before = [row.get("before_training") for row in rows]
    offset = 0.15 * number
    trained = [row.get(value) for row in rows]
    colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
    return [
        *([chance] if number == 0 else []),
        Series(f"{model}, before training", before, MUTED, marker, offset=offset - 0.2),
        Series(f"{model}, trained", trained, colour, marker, offset=offset),
    ]


def effect_figure(table: Table) -> Figure:
    """The differences with their intervals; the line at 0 is no difference.

    Args:
        table: of ``bioclip_effect.effect_table``.
    """
    rows = _rows(table)
    names = list(dict.fromkeys(row["comparison"] for row in rows))
    panels = {}
    for group in _groups(rows):
        found = {r["comparison"]: r["difference"] for r in rows if r["species"] == group}
        cells = [found.get(name) for name in names]
        panels[f"{group} species"] = [Series("difference", cells, COLOURS[0], MARKERS[0])]
    measure = "difference in top-1 accuracy"
    return dots_figure(panels, names, title=table.title, measure=measure, zero=True)


def _rows(table: Table) -> list[dict[str, Any]]:
    return [cells_by_key(table.columns, row) for row in table.rows]


def _groups(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Those that have a panel, in order."""
    return [group for group in ("all", *PANELS) if any(r["species"] == group for r in rows)]
