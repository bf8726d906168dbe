"""Which columns of a table carry what, and what they say of an image."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, get_args

from nicheclip.config.source_base import ExtraColumn
from nicheclip.data.sources.base import clean_label
from nicheclip.data.splits import normalise_split
from nicheclip.runtime.errors import InputError
from nicheclip.terms import RANKS

EXTRA_COLUMNS: tuple[str, ...] = get_args(ExtraColumn)


class ExtraFields(TypedDict):
    """The fields of ``SourceImage`` that tables may carry beside the label."""

    split: str | None
    group: str | None
    lineage: dict[str, str]
    common: str
    licence: str | None
    rights_holder: str | None
    url: str | None


def choose_columns(
    names: Sequence[str], mapping: Mapping[Any, str], *, needed: Sequence[str], where: str
) -> dict[str, str]:
    """The table's column for each of ours that it has.

    A column that ``mapping`` gives to one of ours serves no other. Ranks that ``mapping`` does not
    name are taken only if two of them are there: a lone ``class`` or ``order`` means other things.

    Raises:
        InputError: a needed or mapped column is absent.
    """
    for ours, theirs in mapping.items():
        if theirs not in names:
            raise InputError(
                f"{where}: 'columns' maps {ours!r} to {theirs!r}, but the table has only "
                f"{list(names)}. Correct the mapping."
            )
    free = [name for name in names if name not in mapping.values()]
    chosen = dict(mapping)
    for ours in (*needed, *EXTRA_COLUMNS):
        if ours not in chosen and ours in free:
            chosen[ours] = ours
    if sum(rank in chosen for rank in RANKS) < 2:
        chosen = {k: v for k, v in chosen.items() if k not in RANKS or k in mapping}
    for ours in needed:
        if ours not in chosen:
            raise InputError(
                f"{where}: no column {ours!r} among {list(names)}. Name the right one under "
                f"'columns', for example columns: {{{ours}: {names[0] if names else '...'}}}."
            )
    return chosen


def cell_text(value: object) -> str:
    """The text of a cell of a Parquet file or of JSON; what says nothing (null, NaN) is empty.

    A whole number that is stored as a float, as pandas does beside empty cells, is written as one.
    """
    if value is None or value != value:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def extra_fields(row: Mapping[str, str], *, where: str) -> ExtraFields:
    """What the cells of a row say, by our names; empty cells say nothing."""
    cells = {name: text for name, cell in row.items() if (text := clean_label(cell))}
    return ExtraFields(
        split=normalise_split(cells["split"], where=where) if "split" in cells else None,
        group=cells.get("group"),
        lineage={rank: cells[rank] for rank in RANKS if rank in cells},
        common=cells.get("common", ""),
        licence=cells.get("licence"),
        rights_holder=cells.get("rights_holder"),
        url=cells.get("url"),
    )
