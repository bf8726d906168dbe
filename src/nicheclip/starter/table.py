"""A table of images whose columns nobody has named."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from nicheclip.config.source_files import WORKBOOKS
from nicheclip.config.sources import TableSource
from nicheclip.data.sources.table import table_rows
from nicheclip.data.sources.workbook import sheet_rows
from nicheclip.data.splits import SPLIT_NAMES
from nicheclip.runtime.errors import InputError, reading

#: what the columns of images and of classes are called, likeliest first
PATHS = ("path", "file", "filename", "file_name", "image", "image_path", "filepath", "img")
LABELS = ("label", "category", "scientific_name", "name", "taxon", "common")
#: labels where the table has no genus; beside one they are ranks
RANKS_AS_LABELS = ("species", "class")
DELIMITERS = (",", ";", "\t", "|")


@dataclass(frozen=True)
class Columns:
    """How a table is to be read."""

    mapping: dict[str, str]
    """Of the columns path and label: what they are called, where the name is another."""
    delimiter: str
    given_splits: bool
    """It has a column split."""
    given_val: bool
    """In which some images are called ``val``, or as people call that."""
    ranks: bool
    """It has ranks."""


@dataclass(frozen=True)
class TableImages:
    """The images of a table."""

    columns: Columns
    files: list[Path]
    """Those that are there."""
    labels: list[str]
    """Of ``files``."""
    missing: int
    """Rows whose file is not there."""


def read_table_images(path: Path) -> TableImages:
    """The images of the table at ``path``.

    Raises:
        InputError: no column is one of paths or of labels, or no file is there.
    """
    header, delimiter = _header(path)
    mapping: dict[Any, str] = {}
    lower = {name.strip().lower(): name.strip() for name in reversed(header)}
    labels_of = LABELS if "genus" in lower else (*LABELS, *RANKS_AS_LABELS)
    for ours, likely in (("path", PATHS), ("label", labels_of)):
        theirs = next((lower[name] for name in likely if name in lower), None)
        if theirs is None:
            raise InputError(
                f"{path}: no column for the {ours} of an image, called {', '.join(likely)}; there "
                f"are {', '.join(header)}. Rename it."
            )
        if theirs != ours:
            mapping[ours] = theirs
    source = TableSource(kind="table", path=str(path), delimiter=delimiter, columns=mapping)
    files, labels, missing, ranks = [], [], 0, False
    splits: set[str] = set()
    for _, row in table_rows(source):
        file = None if isinstance(row, str) else _file(path.parent / row["path"].strip())
        if isinstance(row, str) or file is None:
            missing += 1
            continue
        files.append(file)
        labels.append(row["label"].strip())
        ranks = ranks or "genus" in row
        splits.add(row.get("split", "").strip().lower())
    if not files:
        raise InputError(
            f"{path}: none of its {missing} rows names a file that is there; paths are relative to "
            "the table's folder. Move the table, or correct the paths."
        )
    given = bool(splits - {""})
    val = "val" in {SPLIT_NAMES.get(name) for name in splits}
    return TableImages(Columns(mapping, delimiter, given, val, ranks), files, labels, missing)


def _file(path: Path) -> Path | None:
    """``path``, or None where no file is there that may be looked at."""
    try:
        return path if path.is_file() else None
    except OSError:  # too long, or in a folder without permission
        return None


def _header(path: Path) -> tuple[Sequence[str], str]:
    """The names of the columns, and what stands between them."""
    suffix = path.suffix.lower()
    with reading(path, "a table with a row for each image", "Save it again, as CSV in UTF-8."):
        if suffix in (".parquet", ".pq"):
            return pq.read_schema(path).names, ","
        if suffix in WORKBOOKS:
            _, cells = next(sheet_rows(path, None))
            return cells, ","
        with path.open(encoding="utf-8-sig") as file:
            line = file.readline().rstrip("\r\n")
    delimiter = max(DELIMITERS, key=line.count)
    return [cell.strip().strip('"') for cell in line.split(delimiter)], delimiter
