"""What the config must know of the files that it names: which there are, and a table's columns."""

import csv
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from nicheclip.runtime.paths import expand_path

#: how the names of workbooks end
WORKBOOKS = (".xlsx", ".xlsm")
#: of a sheet, in which its header is looked for before the first job
FIRST_ROWS = 100


def _known_encoding(encoding: str) -> str:
    try:
        "".encode(encoding)
    except (LookupError, ValueError) as error:
        raise ValueError(f"{encoding!r} is no encoding of text that Python knows") from error
    return encoding


Encoding = Annotated[str, AfterValidator(_known_encoding)]
"""Of a text file, by a name that Python knows."""


def matching_files(pattern: str) -> list[Path]:
    """The files that a path with ``*`` and ``?`` stands for, in the order of their names."""
    path = expand_path(pattern)
    return sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))


def table_columns(
    path: Path, delimiter: str = ",", encoding: str = "utf-8", sheet: str | None = None
) -> list[str]:
    """The column names of a CSV, Parquet or Excel table without white space around them.

    None where it cannot be read: the job that acquires says what is wrong.
    """
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            # only here: parsing a config need not load it
            import pyarrow.parquet as pq

            return [name.strip() for name in pq.read_schema(path).names]
        if path.suffix.lower() in WORKBOOKS:
            return _sheet_columns(path, sheet)
        encoding = "utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding
        with path.open(encoding=encoding, newline="") as stream:
            return [name.strip() for name in next(csv.reader(stream, delimiter=delimiter), [])]
    except (OSError, ValueError, csv.Error):
        return []


def _sheet_columns(path: Path, sheet: str | None) -> list[str]:
    """The first of the first rows that says something."""
    try:
        import openpyxl

        book = openpyxl.load_workbook(path, read_only=True)
        rows = (book[sheet] if sheet else book.worksheets[0]).iter_rows(
            max_row=FIRST_ROWS, values_only=True
        )
        names = next((row for row in rows if any(cell is not None for cell in row)), ())
        return [str(name).strip() for name in names if name is not None]
    except Exception:  # the extra may not be installed; damaged files raise almost anything
        return []
