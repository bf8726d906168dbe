"""Tables of measured and published numbers; ``table_files`` writes them.

A cell is a text, a number that was published or counted, a measured number with the files it came
from, or, where there is no number, the reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Emphasis = Literal["bold", "underline"]


@dataclass(frozen=True)
class Number:
    """A number that was not measured here: published, counted, or expected by chance."""

    value: float
    digits: int = 3


@dataclass(frozen=True)
class Measured:
    """A measured number."""

    value: float
    sources: tuple[str, ...]
    """The metrics files that it came from."""
    spread: float | None = None
    """Standard deviation over seeds."""
    low: float | None = None
    high: float | None = None
    """Ends of the interval."""
    digits: int = 3
    signed: bool = False
    """Show a plus: the number is a difference."""
    emphasis: Emphasis | None = None
    """Of the best values of a column; the CSV file has none."""


Reason = Literal["not run", "not published", "not defined", "not compared"]

#: what stands in a cell without a number
MARKS: dict[Reason, str] = {
    "not run": "–",
    "not published": "n.p.",
    "not defined": "n.d.",
    "not compared": "n.c.",
}
#: what the marks mean
MEANINGS: dict[Reason, str] = {
    "not run": "not run in this config",
    "not published": "no published number known",
    "not defined": "not defined for this row",
    "not compared": "not comparable at this scale",
}


@dataclass(frozen=True)
class Missing:
    """Why a cell has no number."""

    reason: Reason


Content = str | Number | Measured | Missing | None


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    key: str
    """Its name in the CSV file."""
    label: str
    """Its heading."""
    interval: bool = False
    """The CSV file has three more columns: ``<key>_spread``, ``<key>_low``, ``<key>_high``."""


@dataclass(frozen=True)
class Table:
    """A table; the first column names the rows."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Content, ...], ...]
    notes: tuple[str, ...] = ()
    """Sentences below the table."""
    constants: tuple[tuple[str, str], ...] = ()
    """Columns of the CSV file alone, with the same value in every row: a file that is passed on
    without its title must still say what it is."""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"a row has {len(row)} cells for {len(self.columns)} columns")


def rows_by_key(table: Table) -> list[dict[str, Content]]:
    """The rows as mappings from the columns' keys, to compute with.

    A cell without a number is None, whatever the reason.
    """
    keys = [column.key for column in table.columns]
    return [
        {
            key: None if isinstance(cell, Missing) else cell
            for key, cell in zip(keys, row, strict=True)
        }
        for row in table.rows
    ]


def reasons(table: Table) -> list[Reason]:
    """Those of the cells without a number, each once, in a fixed order."""
    found = {cell.reason for row in table.rows for cell in row if isinstance(cell, Missing)}
    return [reason for reason in MARKS if reason in found]


def notes_of(table: Table) -> list[str]:
    """The table's notes, and what the marks of its cells mean."""
    marks = [f"{MARKS[reason]}: {MEANINGS[reason]}" for reason in reasons(table)]
    return [*table.notes, *(["; ".join(marks) + "."] if marks else [])]


def plain(cell: Content) -> str:
    """As a person reads it: ``0.913 ± 0.004 [0.902, 0.921]``; a mark where there is no number."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, Missing):
        return MARKS[cell.reason]
    text = f"{cell.value:.{cell.digits}f}"
    if isinstance(cell, Number):
        return text
    if cell.signed:
        text = f"{cell.value:+.{cell.digits}f}".replace("-", "−")
    if cell.spread is not None:
        text += f" ± {cell.spread:.{cell.digits}f}"
    if cell.low is not None and cell.high is not None:
        text += f" [{cell.low:.{cell.digits}f}, {cell.high:.{cell.digits}f}]"
    return text


def emphasised(text: str, cell: Content, marks: Mapping[str, str]) -> str:
    """``text`` of ``cell`` in the mark of its emphasis, if it has one."""
    if isinstance(cell, Measured) and cell.emphasis:
        return marks[cell.emphasis].format(text)
    return text
