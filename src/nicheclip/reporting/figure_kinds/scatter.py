"""A named point for each row of a table: accuracy over what it costs."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from nicheclip.config.table_figures import ScatterFigure
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
        figure = Figure(figsize=(1.0 + 3.2 * len(options.x), 3.6))
        panels = np.atleast_1d(figure.subplots(1, len(options.x), sharey=True))
        for axes, key in zip(panels, options.x, strict=True):
            _points(axes, rows, options.points, key, up)
            axes.set_xlabel(labels[key])
            axes.set_xscale("log")
            axes.margins(x=0.2, y=0.08)
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axes.xaxis.set_minor_formatter(NullFormatter())
            grid(axes)
        panels[0].set_ylabel(labels[up])
        figure.suptitle(textwrap.fill(table.title, 34 * len(options.x)))
    return figure


def _points(
    axes: Axes, rows: Sequence[Mapping[str, Content]], names: str, key: str, up: str
) -> None:
    """One for each row, with its name; points in the same place share a label."""
    places: dict[tuple[float, float], list[str]] = {}
    for number, row in enumerate(rows):
        across, value = row[key], row[up]
        if not isinstance(across, Measured | Number) or not isinstance(value, Measured | Number):
            continue
        if across.value <= 0:
            continue
        place = (across.value, value.value)
        places.setdefault(place, []).append(str(row[names]))
        axes.plot(
            *place,
            color=COLOURS[number % len(COLOURS)],
            marker=MARKERS[(number + number // len(COLOURS)) % len(MARKERS)],
            markersize=7,
            linestyle="none",
            label=str(row[names]),
        )
    for place, shared in places.items():
        axes.annotate(
            ", ".join(shared),
            place,
            xytext=(7, -3),
            textcoords="offset points",
            size=7.5,
        )


def _first_value(table: Table, options: ScatterFigure) -> str:
    """The first measured column that is on no other axis."""
    for place, column in enumerate(table.columns):
        measured = any(isinstance(row[place], Measured) for row in table.rows)
        if measured and column.key not in options.x:
            return column.key
    return table.columns[-1].key
