"""A CSV, Parquet or Excel table with one row per image."""

import codecs
import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from nicheclip.config.source_files import WORKBOOKS
from nicheclip.config.sources import TableSource
from nicheclip.data.sources.base import (
    Item,
    Part,
    SourceImage,
    SourceSetting,
    clean_label,
    is_image_name,
)
from nicheclip.data.sources.columns import cell_text, choose_columns, extra_fields
from nicheclip.data.sources.workbook import sheet_rows
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.manifest import Dropped
from nicheclip.runtime.paths import expand_path

ROWS_AT_ONCE = 4096

_ENCODING_ADVICE = (
    "Set 'encoding' in the source, for example cp1252 (Windows), latin-1 or utf-16, or save the "
    "table as UTF-8."
)

Row = dict[str, str] | str
"""The cells by our names, or the reason to drop the row."""


@dataclass(frozen=True)
class TableImages:
    """The images of a ``table`` source in the order of its rows; a key is the path as written."""

    source: TableSource

    def items(self, part: Part) -> Iterator[Item]:
        """See ``ImageSource``; a part takes every so many rows."""
        table = expand_path(self.source.path)
        images = image_folder(self.source)
        for place, (number, row) in enumerate(table_rows(self.source)):
            if not part.holds(place):
                continue
            if isinstance(row, str):
                yield place, Dropped(key=f"row {number}", reason=row)
            else:
                yield place, _image(row, number, images, table)


def image_folder(source: TableSource) -> Path:
    """The folder that a table's paths are relative to."""
    return expand_path(source.images) if source.images else expand_path(source.path).parent


def table_rows(source: TableSource) -> Iterator[tuple[int, Row]]:
    """(row number, cells by our names or the reason to drop it) of a table.

    Raises:
        InputError: it is not there, or not a table that can be read.
    """
    table = expand_path(source.path)
    if not _is_file(table):
        raise InputError(f"{table}: no such file. Set 'path' to the table of images.")
    if table.suffix.lower() in (".parquet", ".pq"):
        yield from _parquet_rows(table, source.columns)
        return
    try:
        if table.suffix.lower() in WORKBOOKS:
            yield from _sheet_rows(table, source)
        else:
            yield from _csv_rows(table, source)
    except UnicodeError as error:
        raise InputError(
            f"{table}: not a text in {source.encoding} ({error}). {_ENCODING_ADVICE}"
        ) from error
    except OSError as error:
        raise InputError(
            f"{table}: cannot be read ({error.strerror}). Correct its permissions."
        ) from error


def _image(row: Mapping[str, str], number: int, images: Path, table: Path) -> SourceImage | Dropped:
    key = row["path"].strip()
    where = f"row {number}: {key[:200]}"
    if not key:
        return Dropped(key=f"row {number}", reason="empty path")
    if not (label := clean_label(row["label"])):
        return Dropped(key=where, reason="empty label")
    if not _is_file(path := images / key):
        return Dropped(key=where, reason="no such file")
    if not is_image_name(path.name):
        return Dropped(key=where, reason="not an image file")
    try:
        data = path.read_bytes()
    except OSError as error:
        return Dropped(key=where, reason=f"cannot be read ({error.strerror})")
    return SourceImage(key, data, label, **extra_fields(row, where=f"{table}, row {number}"))


def _is_file(path: Path) -> bool:
    """Whether there is a file; a path that is too long or has a zero byte is of none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _csv_rows(path: Path, source: TableSource) -> Iterator[tuple[int, Row]]:
    """The rows of a CSV; the header is row 1.

    Bytes that are not of the encoding pass as surrogates, so that only their own row is lost.
    """
    encoding = _encoding(path, source.encoding)
    with path.open(encoding=encoding, errors="surrogateescape", newline="") as stream:
        reader = csv.reader(stream, strict=True, delimiter=source.delimiter)
        try:
            header = [name.strip() for name in next(reader, [])]
            places = _places(path, header, source)
            for number, cells in enumerate(reader, start=2):
                if not cells:
                    continue
                if len(cells) != len(header):
                    yield number, f"{len(cells)} cells under {len(header)} columns"
                    continue
                row = {ours: cells[place] for ours, place in places.items()}
                yield number, row if _is_text(row.values()) else _not_of(source.encoding)
        except csv.Error as error:
            raise InputError(
                f"{path}, line {reader.line_num}: not a well-formed CSV file ({error}). Correct "
                "the quotes, or save the table as Parquet."
            ) from error


def _sheet_rows(path: Path, source: TableSource) -> Iterator[tuple[int, Row]]:
    """The rows of a workbook's sheet by their numbers there; the first that says something is the
    header."""
    rows = sheet_rows(path, source.sheet)
    header = [name.strip() for name in next(rows, (0, []))[1]]
    places = _places(path, header, source)
    for number, cells in rows:
        if len(cells) > len(header):
            yield number, f"{len(cells)} cells under {len(header)} columns"
            continue
        cells += [""] * (len(header) - len(cells))
        yield number, {ours: cells[place] for ours, place in places.items()}


def _encoding(path: Path, encoding: str) -> str:
    """The encoding, unless the file's first bytes are those of another or of a workbook."""
    with path.open("rb") as stream:
        start = stream.read(8)
    if start.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise InputError(
            f"{path}: a workbook of Excel or the like, not a text. Save it as CSV (UTF-8), or as "
            "a workbook whose name ends in .xlsx, and set 'path' to that file."
        )
    if codecs.lookup(encoding).name != "utf-8":
        return encoding
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InputError(f"{path}: a text in UTF-16. Set encoding: utf-16 in the source.")
    return "utf-8-sig"


def _not_of(encoding: str) -> str:
    return f"not {encoding.upper()}: set 'encoding', for example cp1252"


def _places(path: Path, header: Sequence[str], source: TableSource) -> dict[str, int]:
    if not _is_text(header):
        raise InputError(f"{path}: the header is not {source.encoding.upper()}. {_ENCODING_ADVICE}")
    _check_different(header, path)
    for delimiter in (";", "\t", "|", ","):
        if len(header) == 1 and delimiter in header[0]:
            raise InputError(
                f"{path}: the header {header[0]!r} seems to be split by {delimiter!r}; expected "
                f"{source.delimiter!r}. Set delimiter: {json.dumps(delimiter)} in the source."
            )
    chosen = choose_columns(header, source.columns, needed=("path", "label"), where=str(path))
    return {ours: header.index(theirs) for ours, theirs in chosen.items()}


def _check_different(header: Sequence[str], path: Path) -> None:
    if len(set(header)) < len(header):
        raise InputError(f"{path}: two columns of the header {header} have the same name.")


def _is_text(cells: Iterable[str]) -> bool:
    return not any("\udc80" <= letter <= "\udcff" for cell in cells for letter in cell)


def _parquet_rows(path: Path, mapping: Mapping[Any, str]) -> Iterator[tuple[int, Row]]:
    """(row number from 1, cells by our names); empty cells become empty text."""
    try:
        with pq.ParquetFile(path) as file:
            names = {name.strip(): name for name in file.schema_arrow.names}
            _check_different([name.strip() for name in file.schema_arrow.names], path)
            chosen = choose_columns(list(names), mapping, needed=("path", "label"), where=str(path))
            number, columns = 0, [names[theirs] for theirs in chosen.values()]
            for batch in file.iter_batches(ROWS_AT_ONCE, columns=columns):
                for row in batch.to_pylist():
                    number += 1
                    yield number, {k: cell_text(row[names[v]]) for k, v in chosen.items()}
    except InputError:
        raise
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:  # texts, dates
        raise InputError(
            f"{path}: not a readable Parquet file ({error}). Write it anew, or save it as CSV."
        ) from error


def open_images(source: TableSource, setting: SourceSetting) -> TableImages:
    """The images of ``source``."""
    del setting
    return TableImages(source)
