"""The rows of a workbook's sheet, as spreadsheet programs save it (.xlsx)."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nicheclip.data.sources.columns import cell_text
from nicheclip.runtime.errors import InputError, reading

#: bytes of all parts of a workbook when they are unpacked: texts of cells are held in memory
MOST_BYTES = 1 << 30

_ADVICE = "Save it anew, or as CSV (UTF-8)."


def sheet_rows(path: Path, sheet: str | None) -> Iterator[tuple[int, list[str]]]:
    """(row number as the program shows it, texts of the cells); empty rows are passed over.

    A formula gives what the program last computed. White space and empty cells at the end go.

    Args:
        path: of the workbook.
        sheet: by its name; None takes the first.

    Raises:
        InputError: the extra is not installed, the file is no workbook or too large, or it has no
            such sheet.
    """
    try:
        import openpyxl
    except ImportError:
        raise InputError(
            f"{path}: a workbook is read with the extra xlsx: pip install 'nicheclip[xlsx]'. Or "
            "save it as CSV (UTF-8), and set 'path' to that file."
        ) from None
    with reading(path, "a workbook (.xlsx)", _ADVICE), path.open("rb") as stream:
        with zipfile.ZipFile(stream) as parts:
            size = sum(part.file_size for part in parts.infolist())
        if size > MOST_BYTES:
            raise InputError(
                f"{path}: {size >> 20} MiB when it is unpacked, and at most {MOST_BYTES >> 20} are "
                "read. Save the sheet of images as CSV (UTF-8) or Parquet."
            )
        book = openpyxl.load_workbook(stream, read_only=True, data_only=True)
        found = _sheet(path, book, sheet)
        found.reset_dimensions()  # what the file claims may be wrong
        for number, row in enumerate(found.iter_rows(values_only=True), start=1):
            cells = [cell_text(value) for value in row]
            while cells and not cells[-1].strip():
                cells.pop()
            if cells:
                yield number, cells


def _sheet(path: Path, book: Any, name: str | None) -> Any:
    sheets = {sheet.title: sheet for sheet in book.worksheets}
    if name is None and sheets:
        return next(iter(sheets.values()))
    if not sheets:
        raise InputError(f"{path}: has no sheet with cells. {_ADVICE}")
    if name not in sheets:
        raise InputError(
            f"{path}: no sheet {name!r}; it has {', '.join(map(repr, sheets))}. Set 'sheet' in the "
            "source to one of them."
        )
    return sheets[name]
