"""The columns of a table: those that its file names, and one for each value of `each`."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from nicheclip.config.tables import Asked, Axis, Column, Mark, TableSpec
from nicheclip.plan.table_axes import Axes, Setting
from nicheclip.plan.table_request import TableColumn
from nicheclip.plan.words import Scale

NOTHING = Setting({}, {}, {})


@dataclass(frozen=True)
class PlannedColumn:
    """A column, the section of the file that it comes from, and what `each` has settled."""

    column: TableColumn
    source: Column
    settled: Setting


def plan_columns(
    spec: TableSpec, scale: Scale, axes: Axes, asked: Collection[Asked] = ()
) -> list[PlannedColumn]:
    """The columns of ``spec``, with one for each value of `each`.

    Args:
        spec: the table's file.
        scale: of the config; a rehearsal has the columns of the paper's, whose tables it tries.
        axes: of the table.
        asked: what its rows ask for, without which some columns are left out.
    """
    scale = "paper" if scale == "rehearsal" else scale
    start = Setting(spec.entry.given(), {}, {})
    default = spec.published.value if spec.published else None
    found: list[PlannedColumn] = []
    made: dict[str, list[str]] = {}
    for source in spec.columns:
        if source.scale not in (None, scale) or (source.asked and source.asked not in asked):
            continue
        if source.each is None:
            found.append(PlannedColumn(_column(source, "", {}, made, default), source, NOTHING))
            continue
        for one in axes.along(Axis(axis=source.each, of=source.of), start):
            value = one.keys[source.each]
            column = _column(source, str(value), one.words, made, default)
            if source.show == "value":
                made.setdefault(source.asked or source.each, []).append(column.key)
            settled = Setting({source.each: value}, one.words, {})
            found.append(PlannedColumn(column, source, settled))
    return found


def planned_mark(mark: Mark | None, columns: Sequence[PlannedColumn]) -> Mark | None:
    """With the columns that an axis made in the place of its name."""
    if mark is None:
        return None
    keys = [
        one.column.key
        for name in mark.columns
        for one in columns
        if name in (one.column.key, one.source.each)
        and one.source.show == "value"
        and one.source.asked is None
    ]
    return mark.model_copy(update={"columns": keys})


def _column(
    source: Column,
    value: str,
    words: Mapping[str, str],
    made: Mapping[str, Sequence[str]],
    default: str | None,
) -> TableColumn:
    """A column; ``default`` is the published one of the table."""
    published = source.published or default
    return TableColumn(
        key=(source.key or "{}").format(value),
        label=source.label.format(words[source.each] if source.each else ""),
        text=source.text is not None,
        show=source.show,
        interval=source.interval,
        optional=source.optional,
        mean_of=[key for name in source.mean_of for key in made.get(name, [name])],
        of=None if source.each else source.of,
        published=published and published.format(value, **words),
        digits=source.digits,
    )
