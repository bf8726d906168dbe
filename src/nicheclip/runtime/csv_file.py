"""CSV files that people open in spreadsheets."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

from nicheclip.runtime.files import atomic_path

#: what makes a spreadsheet compute a cell instead of showing it
_FORMULA = re.compile(r"[=+\-@\t\r＝＋－＠]")


def write_csv(path: Path | str, rows: Iterable[Sequence[str]]) -> None:
    """Write ``rows`` to ``path`` atomically, as ``csv_text`` has them."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        _write_rows(file, rows)


def csv_text(rows: Iterable[Sequence[str]]) -> str:
    """``rows`` as CSV; a text that a spreadsheet would take for a formula gets ``'`` before it.

    Texts come from strangers' tables, and a formula can send what stands beside it elsewhere.
    Numbers stay as they are.
    """
    stream = io.StringIO()
    _write_rows(stream, rows)
    return stream.getvalue()


def _write_rows(stream: TextIO, rows: Iterable[Sequence[str]]) -> None:
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerows([f"'{cell}" if _is_formula(cell) else cell for cell in row] for row in rows)


def _is_formula(cell: str) -> bool:
    if not _FORMULA.match(cell):
        return False
    try:
        float(cell)
    except ValueError:
        return True
    return False
