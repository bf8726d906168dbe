"""How well each measure orders the rows: a dot for each group, and the mean with its interval."""

from nicheclip.plan.table_request import TableRequest
from nicheclip.reporting.dots import Series, dots_figure
from nicheclip.reporting.figure_kinds import Drawing
from nicheclip.reporting.ranks import SIGNAL, TAU
from nicheclip.reporting.style import COLOURS, MARKERS
from nicheclip.reporting.table import Table, rows_by_key


def draw(request: TableRequest, table: Table | None) -> Drawing:
    """Of a table that ``rank_table`` has made."""
    assert table is not None
    del request
    rows = [row for row in rows_by_key(table) if row[TAU] is not None]
    groups = [column for column in table.columns if column.key.startswith(f"{TAU}_")]
    series = [
        Series(
            one.label,
            [row[one.key] for row in rows],
            COLOURS[1 + number % (len(COLOURS) - 1)],
            MARKERS[1 + number % (len(MARKERS) - 1)],
            offset=0.22,
        )
        for number, one in enumerate(groups)
    ]
    mean = Series("mean, with interval", [row[TAU] for row in rows], COLOURS[0], MARKERS[0])
    return Drawing(
        dots_figure(
            {"1: orders as accuracy does": [mean, *series]},
            [str(row[SIGNAL]) for row in rows],
            title=table.title,
            measure="Kendall's tau",
            zero=True,
        )
    )
