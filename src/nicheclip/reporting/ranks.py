"""How well each measure orders the rows of a table: Kendall's tau against the right order."""

import statistics
from collections.abc import Mapping, Sequence

import numpy as np

from nicheclip.config.tables import Ranks
from nicheclip.evaluation.bootstrap import mean_interval
from nicheclip.plan.table_request import TableRequest
from nicheclip.reporting.table import (
    Column,
    Content,
    Measured,
    Missing,
    Number,
    Table,
    rows_by_key,
)

Row = Mapping[str, Content]

#: of two rows, every order is right or wrong: nothing to measure
FEWEST_ROWS = 3

#: the table's columns, before one for each group
SIGNAL, TAU, CHOSEN = "signal", "tau", "chosen"


def rank_table(request: TableRequest, ranks: Ranks, table: Table) -> Table:
    """A row for each measure of ``table`` but the right one, then two to compare with.

    Columns: Kendall's tau-b between the measure and the right one within each group, its mean with
    a bootstrap interval over groups, and what the right one is, on average over the groups, of the
    row that the measure puts first (of rows that share the first place, their mean).

    Args:
        request: of the table, for the bootstrap.
        ranks: what is right, and which rows are a group.
        table: with all values.
    """
    groups: dict[str, list[Row]] = {}
    for row in rows_by_key(table):
        groups.setdefault(str(row[ranks.within]), []).append(row)
    measures = [
        column
        for place, column in enumerate(table.columns)
        if column.key != ranks.like and any(isinstance(row[place], Measured) for row in table.rows)
    ]
    rows = [_of_measure(request, ranks, groups, column) for column in measures]
    columns = (
        Column(SIGNAL, "Chosen by the highest"),
        Column(TAU, "Kendall's tau, mean", interval=True),
        *(Column(f"{TAU}_{name}", name) for name in groups),
        Column(CHOSEN, "Accuracy of the chosen"),
    )
    return Table(
        title=table.title,
        columns=columns,
        rows=tuple(
            tuple(row.get(column.key, Missing("not defined")) for column in columns)
            for row in [*rows, *_to_compare_with(ranks, groups)]
        ),
        notes=table.notes,
        constants=table.constants,
    )


def _of_measure(
    request: TableRequest, ranks: Ranks, groups: Mapping[str, Sequence[Row]], column: Column
) -> dict[str, Content]:
    """The row of one measure."""
    cells = [row[column.key] for found in groups.values() for row in found]
    sources = tuple(dict.fromkeys(s for c in cells if isinstance(c, Measured) for s in c.sources))
    row: dict[str, Content] = {SIGNAL: column.label}
    taus = []
    for name, found in groups.items():
        value = tau(found, column.key, ranks.like)
        if value is not None:
            taus.append(value)
            row[f"{TAU}_{name}"] = Number(value, 2)
    if taus:
        row[TAU] = _mean_tau(request, taus, sources)
    chosen = [chosen_value(found, column.key, ranks.like) for found in groups.values()]
    row[CHOSEN] = Measured(statistics.fmean(one for one in chosen if one is not None), sources)
    return row


def _to_compare_with(ranks: Ranks, groups: Mapping[str, Sequence[Row]]) -> list[dict[str, Content]]:
    """What a choice without any signal gets, and one that knows the labels."""
    right = [_values(found, ranks.like) for found in groups.values()]
    mean = statistics.fmean(statistics.fmean(values) for values in right)
    best = statistics.fmean(max(values) for values in right)
    return [
        {SIGNAL: "drawn at random", CHOSEN: Number(mean)},
        {SIGNAL: "the best, known from labels", CHOSEN: Number(best)},
    ]


def tau(rows: Sequence[Row], measure: str, right: str) -> float | None:
    """Kendall's tau-b of two columns; None where one is the same for all rows, or rows are few."""
    return tau_of(_pairs(rows, measure, right))


def tau_of(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Kendall's tau-b of pairs of values; None where one is the same in all, or pairs are few."""
    if len(pairs) < FEWEST_ROWS:
        return None
    from scipy import stats  # takes a second to import, and few tables come here

    value = float(stats.kendalltau(*zip(*pairs, strict=True)).statistic)
    return None if np.isnan(value) else value


def chosen_value(rows: Sequence[Row], measure: str, right: str) -> float | None:
    """What ``right`` is of the row that ``measure`` puts first; None where no row has both."""
    pairs = _pairs(rows, measure, right)
    if not pairs:
        return None
    highest = max(found for found, _ in pairs)
    return statistics.fmean(true for found, true in pairs if found == highest)


def _pairs(rows: Sequence[Row], measure: str, right: str) -> list[tuple[float, float]]:
    """Both values of the rows that have them."""
    return [
        (found.value, true.value)
        for row in rows
        if isinstance(found := row[measure], Measured) and isinstance(true := row[right], Measured)
    ]


def _mean_tau(request: TableRequest, taus: Sequence[float], sources: tuple[str, ...]) -> Measured:
    interval = mean_interval(
        np.asarray(taus),
        resamples=request.bootstrap,
        confidence=request.confidence,
        seed=request.seed,
    )
    return Measured(
        statistics.fmean(taus), sources, low=interval.low, high=interval.high, digits=2, signed=True
    )


def _values(rows: Sequence[Row], key: str) -> list[float]:
    return [cell.value for row in rows if isinstance(cell := row[key], Measured)]
