"""A table as one panel of dots: measured beside published values, chance and a baseline."""

import textwrap

from matplotlib.figure import Figure

from nicheclip.config.table_figures import BesidePublishedFigure
from nicheclip.plan.table_request import TableRequest
from nicheclip.reporting.dots import Series, draw_series, name_lines
from nicheclip.reporting.figure_kinds import Drawing
from nicheclip.reporting.style import COLOURS, MUTED, WRONG, grid, style
from nicheclip.reporting.table import Table, rows_by_key


def draw(request: TableRequest, table: Table | None) -> Drawing:
    """Of the finished table."""
    assert table is not None and isinstance(request.figure, BesidePublishedFigure)
    return Drawing(beside_published_figure(table, request.figure))


def beside_published_figure(table: Table, options: BesidePublishedFigure) -> Figure:
    """A line for each row; columns without any number are left out.

    Args:
        table: with the columns that ``options`` names.
        options: of the figure.
    """
    rows = rows_by_key(table)
    labels = {column.key: column.label for column in table.columns}
    with style():
        figure = Figure(figsize=(7.2, 1.9 + 0.6 * len(rows)))
        axes = figure.add_subplot()
        baseline = labels.get(options.baseline, options.baseline).lower()
        for key, label, colour, marker, offset in (
            (options.published, "published", "#111111", None, 0.0),
            (options.chance, "chance", WRONG, None, 0.0),
            (options.value, "measured, with interval", COLOURS[0], "o", 0.0),
            (options.before, "before training", MUTED, "s", -0.2),
            (options.baseline, baseline, COLOURS[1], "D", 0.2),
        ):
            cells = [row.get(key) for row in rows]
            dashed = key == options.chance
            draw_series(axes, Series(label, cells, colour, marker, dashed, offset))
        name_lines(axes, [str(row[options.lines]) for row in rows])
        axes.set_xlim(-0.02, 1.02)
        axes.set_xlabel(labels[options.value])
        grid(axes, axis="x")
        figure.suptitle(textwrap.fill(table.title, 70))
        figure.legend(loc="outside lower center", ncols=3, fontsize=8)
    return figure
