"""A named point for each row of a table: accuracy over what it costs."""

import textwrap
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from nicheclip.config.tables import ScatterFigure
from nicheclip.plan.table_request import TableRequest
from nicheclip.reporting.figure_kinds import Drawing
from nicheclip.reporting.style import COLOURS, MARKERS, grid, style
from nicheclip.reporting.table import Content, Measured, Number, Table, rows_by_key


def draw(request: TableRequest, table: Table | None) -> Drawing:
    """Of the finished table."""
    assert table is not None and isinstance(request.figure, ScatterFigure)
    return Drawing(scatter_figure(table, request.figure))


def scatter_figure(table: Table, options: ScatterFigure) -> Figure:
    """A panel for each of ``options.x``; every row has one colour and marker in all of them."""
    rows = rows_by_key(table)
    labels = {column.key: column.label for column in table.columns}
    up = options.y if options.y in labels else _first_value(table, options)
    with style():
        figure = Figure(figsize=(1.0 + 3.0 * len(options.x), 4.1))
        panels = np.atleast_1d(figure.subplots(1, len(options.x), sharey=True))
        handles: dict[str, object] = {}
        for axes, key in zip(panels, options.x, strict=True):
            for number, row in enumerate(rows):
                _point(axes, number, str(row[options.points]), row, key, up)
            axes.set_xlabel(labels[key])
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axes.xaxis.set_minor_formatter(NullFormatter())
            grid(axes)
            found, names = axes.get_legend_handles_labels()
            handles |= dict(zip(names, found, strict=True))
        panels[0].set_ylabel(labels[up])
        figure.legend(
            list(handles.values()), list(handles), loc="outside lower center", ncols=4, fontsize=8
        )
        figure.suptitle(textwrap.fill(table.title, 30 * len(options.x)))
    return figure


def _point(
    axes: Axes, number: int, name: str, row: Mapping[str, Content], key: str, up: str
) -> None:
    across, value = row[key], row[up]
    if not isinstance(across, Measured | Number) or not isinstance(value, Measured | Number):
        return
    if across.value <= 0:
        return
    axes.plot(
        across.value,
        value.value,
        color=COLOURS[number % len(COLOURS)],
        marker=MARKERS[(number + number // len(COLOURS)) % len(MARKERS)],
        markersize=7,
        linestyle="none",
        label=name,
    )


def _first_value(table: Table, options: ScatterFigure) -> str:
    """The first measured column that is on no other axis."""
    for place, column in enumerate(table.columns):
        measured = any(isinstance(row[place], Measured) for row in table.rows)
        if measured and column.key not in options.x:
            return column.key
    return table.columns[-1].key
