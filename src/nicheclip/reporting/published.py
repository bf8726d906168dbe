"""The papers' own numbers, from `workflow/registry/published/`."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nicheclip.plan.words import in_words
from nicheclip.runtime.errors import InputError

SOURCE = "source"


@dataclass(frozen=True)
class PublishedRow:
    """A row of a paper's table."""

    texts: dict[str, str]
    """Of the table's text columns, by key."""
    values: dict[str, float]
    """By column of the file; a column without a number in this row is left out."""
    source: str
    """Where it was published."""


def read_published(
    path: Path | str, texts: dict[str, str], values: Sequence[str]
) -> list[PublishedRow]:
    """The rows of a CSV file of published numbers, in its order.

    Args:
        path: with a header, and the column ``source``.
        texts: what each text column of our table shows: a fixed text, or ``{column}`` of the file.
            The columns ``shots``, ``text_type`` and ``group`` are put into words.
        values: the columns with numbers; an empty field is not a number.

    Raises:
        InputError: a column is missing, or a value is not a number.
    """
    with Path(path).open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        rows, columns = list(reader), list(reader.fieldnames or [])
    missing = [name for name in (*values, SOURCE) if name not in columns]
    if missing:
        raise InputError(
            f"{path}: no column {missing[0]!r}; expected {', '.join((*values, SOURCE))} among "
            f"{', '.join(columns)}."
        )
    return [_row(path, line, row, texts, values) for line, row in enumerate(rows, start=2)]


def _row(
    path: Path | str,
    line: int,
    row: dict[str, str],
    texts: dict[str, str],
    values: Sequence[str],
) -> PublishedRow:
    if None in row or None in row.values():
        raise InputError(f"{path}, line {line}: not as many fields as the header.")
    words = {name: in_words(name, text) for name, text in row.items()}
    found = {}
    for name in values:
        try:
            if row[name]:
                found[name] = float(row[name])
        except ValueError:
            raise InputError(
                f"{path}, line {line}: {name} is {row[name]!r}; expected a number or nothing."
            ) from None
    try:
        shown = {key: text.format_map(words) for key, text in texts.items()}
    except KeyError as error:
        raise InputError(
            f"{path}: no column {error}, which the table names in published.row."
        ) from None
    return PublishedRow(shown, found, row[SOURCE])
