"""A table as dots with intervals, in panels side by side."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from nicheclip.config.table_figures import DotsFigure
from nicheclip.plan.table_request import TableRequest
from nicheclip.reporting.dots import Series, dots_figure
from nicheclip.reporting.figure_kinds import Drawing
from nicheclip.reporting.style import COLOURS, MARKERS, MUTED, WRONG
from nicheclip.reporting.table import Content, Table, rows_by_key

Contents = Mapping[str, Content]


def draw(request: TableRequest, table: Table | None) -> Drawing:
    """Of the finished table."""
    assert table is not None and isinstance(request.figure, DotsFigure)
    return Drawing(table_dots(table, request.figure))


def table_dots(table: Table, options: DotsFigure) -> Figure:
    """The values of a table; rows without a measured number are left out.

    Args:
        table: with the columns that ``options`` names.
        options: of the figure.
    """
    rows = [row for row in rows_by_key(table) if row[options.value] is not None]
    names = list(dict.fromkeys(str(row[options.lines]) for row in rows))
    found = list(dict.fromkeys(str(row[options.panels]) for row in rows))
    panels = {}
    for panel in [one for one in options.shown if one in found] if options.shown else found:
        shown = [row for row in rows if row[options.panels] == panel]
        panels[options.heading.format(panel)] = _panel(shown, rows, names, options)
    label = next(column.label for column in table.columns if column.key == options.value)
    measure = options.measure or f"{label}, with interval"
    return dots_figure(panels, names, title=table.title, measure=measure, zero=options.zero)


def _panel(
    shown: Sequence[Contents], rows: Sequence[Contents], names: Sequence[str], options: DotsFigure
) -> list[Series]:
    """The series of each model, or of all rows where the figure tells no models apart."""
    if options.models is None:
        return _series(_in_order(shown, names, options), options, options.value, "", 0)
    series = []
    for number, model in enumerate(dict.fromkeys(str(row[options.models]) for row in rows)):
        mine = [row for row in shown if row[options.models] == model]
        ordered = _in_order(mine, names, options)
        series += _series(
            ordered, options, f"{model}, trained", f"{model}, before training", number
        )
    return series


def _in_order(
    rows: Sequence[Contents], names: Sequence[str], options: DotsFigure
) -> list[Contents]:
    by_line = {str(row[options.lines]): row for row in rows}
    return [by_line.get(name, {}) for name in names]


def _series(
    rows: Sequence[Contents], options: DotsFigure, label: str, before_label: str, number: int
) -> list[Series]:
    series = []
    offset = 0.15 * number
    if options.chance and number == 0:
        cells = [row.get(options.chance) for row in rows]
        series.append(Series("chance", cells, WRONG, dashed=True))
    if options.before:
        cells = [row.get(options.before) for row in rows]
        series.append(
            Series(before_label, cells, MUTED, MARKERS[number % len(MARKERS)], offset=offset - 0.2)
        )
    cells = [row.get(options.value) for row in rows]
    colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
    return [*series, Series(label, cells, colour, marker, offset=offset)]
