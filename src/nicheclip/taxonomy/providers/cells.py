"""Cells that hold no name: words for "unknown", formulas, text that is broken or has no end."""

import polars as pl

from nicheclip.taxonomy.name_text import LONGEST_NAME
from nicheclip.taxonomy.name_words import NO_NAME
from nicheclip.taxonomy.providers.issues import Issues
from nicheclip.terms import RANKS

#: stands for bytes that are no UTF-8
BROKEN = "\ufffd"

_UNKNOWN = rf"^(?:{NO_NAME.pattern}|[-–—?.]*$)"


def is_unknown(cell: pl.Expr) -> pl.Expr:
    """Whether the cell says that the name is not known: "Not assigned", "no_match", "-"."""
    words = cell.str.replace_all("_", " ", literal=True).str.strip_chars(" ()[]")
    return words.str.contains(_UNKNOWN)


def name_fault(cell: pl.Expr) -> pl.Expr:
    """Why the cell cannot hold a name, with or without its author; null where it can."""
    return (
        pl.when(cell.str.len_chars() > LONGEST_NAME)
        .then(pl.lit(f"a name of more than {LONGEST_NAME} characters"))
        .when(cell.str.contains(r"^[=+@-]"))
        .then(pl.lit("a spreadsheet formula instead of a name"))
    )


def rank_fault(cell: pl.Expr) -> pl.Expr:
    """Why the cell cannot hold the name of a rank; null where it can, or says "unknown"."""
    broken = pl.when(cell.str.contains(BROKEN, literal=True)).then(pl.lit("broken UTF-8"))
    return pl.when(~is_unknown(cell)).then(name_fault(cell).fill_null(broken))


def with_clean_ranks(rows: pl.DataFrame, issues: Issues) -> pl.DataFrame:
    """``rows`` without the cells of ranks that hold no name; those that are bad are noted.

    A bad cell costs the row that rank, not what its other cells say.
    """
    for rank in RANKS:
        cell = pl.col(rank)
        unfit = rows.select(cell.unique()).filter(is_unknown(cell) | rank_fault(cell).is_not_null())
        if unfit.is_empty():
            continue
        bad = unfit.with_columns(reason=rank_fault(cell)).drop_nulls("reason")
        for (reason,), cells in bad.group_by("reason", maintain_order=True):
            of_reason = rows.filter(cell.is_in(cells[rank].implode()))
            issues.note(of_reason, f"{reason} at the rank '{rank}', left empty", cell)
        rows = rows.with_columns(pl.when(~cell.is_in(unfit[rank].implode())).then(cell).alias(rank))
    return rows
