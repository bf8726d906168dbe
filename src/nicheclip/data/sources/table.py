"""A CSV or Parquet table with one row per image."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from nicheclip.config.sources import TableSource
from nicheclip.data.sources.base import (
    Item,
    Part,
    SourceImage,
    SourceSetting,
    clean_label,
    is_image_name,
)
from nicheclip.data.sources.columns import choose_columns, extra_fields
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.manifest import Dropped
from nicheclip.runtime.paths import expand_path

ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class TableImages:
    """The images of a ``table`` source in the order of its rows; a key is the path as written."""

    source: TableSource

    def items(self, part: Part) -> Iterator[Item]:
        """See ``ImageSource``; a part takes every so many rows."""
        table = expand_path(self.source.path)
        images = expand_path(self.source.images) if self.source.images else table.parent
        if not table.is_file():
            raise InputError(f"{table}: no such file. Set 'path' to the table of images.")
        rows = _parquet_rows if table.suffix.lower() in (".parquet", ".pq") else _csv_rows
        for place, (number, row) in enumerate(rows(table, self.source.columns)):
            if not part.holds(place):
                continue
            if isinstance(row, str):
                yield place, Dropped(key=f"row {number}", reason=row)
            else:
                yield place, _image(row, number, images, table)


def _image(row: Mapping[str, str], number: int, images: Path, table: Path) -> SourceImage | Dropped:
    key = row["path"].strip()
    where = f"row {number}: {key}"
    if not key:
        return Dropped(key=f"row {number}", reason="empty path")
    if not (label := clean_label(row["label"])):
        return Dropped(key=where, reason="empty label")
    if "\0" in key or not (path := images / key).is_file():
        return Dropped(key=where, reason="no such file")
    if not is_image_name(path.name):
        return Dropped(key=where, reason="not an image file")
    try:
        data = path.read_bytes()
    except OSError as error:
        return Dropped(key=where, reason=f"cannot be read ({error.strerror})")
    return SourceImage(key, data, label, **extra_fields(row, where=f"{table}, row {number}"))


def _csv_rows(path: Path, mapping: Mapping[Any, str]) -> Iterator[tuple[int, dict[str, str] | str]]:
    """(row number, cells by our names or the reason to drop it); the header is row 1.

    Bytes that are not UTF-8 pass as surrogates, so that only their own row is lost.
    """
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
        reader = csv.reader(stream, strict=True)
        try:
            header = next(reader, [])
            places = _places(path, header, mapping)
            for number, cells in enumerate(reader, start=2):
                if not cells:
                    continue
                if len(cells) != len(header):
                    yield number, f"{len(cells)} cells under {len(header)} columns"
                    continue
                row = {ours: cells[place] for ours, place in places.items()}
                yield number, row if _is_utf8(row) else "not UTF-8"
        except csv.Error as error:
            raise InputError(
                f"{path}, line {reader.line_num}: not a well-formed CSV file ({error}). Correct "
                "the quotes, or save the table as Parquet."
            ) from error


def _places(path: Path, header: Sequence[str], mapping: Mapping[Any, str]) -> dict[str, int]:
    if len(set(header)) < len(header):
        raise InputError(f"{path}: two columns of the header {header} have the same name.")
    for delimiter in (";", "\t", "|"):
        if len(header) == 1 and delimiter in header[0]:
            raise InputError(
                f"{path}: the header {header[0]!r} seems to be split by {delimiter!r}; expected "
                "commas. Save the table with commas, or as Parquet."
            )
    chosen = choose_columns(header, mapping, needed=("path", "label"), where=str(path))
    return {ours: header.index(theirs) for ours, theirs in chosen.items()}


def _is_utf8(row: Mapping[str, str]) -> bool:
    return not any("\udc80" <= letter <= "\udcff" for cell in row.values() for letter in cell)


def _parquet_rows(
    path: Path, mapping: Mapping[Any, str]
) -> Iterator[tuple[int, dict[str, str] | str]]:
    """(row number from 1, cells by our names); empty cells become empty text."""
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            chosen = choose_columns(names, mapping, needed=("path", "label"), where=str(path))
            number = 0
            for batch in file.iter_batches(ROWS_AT_ONCE, columns=list(chosen.values())):
                for row in batch.to_pylist():
                    number += 1
                    cells = {ours: row[theirs] for ours, theirs in chosen.items()}
                    yield number, {k: "" if v is None else str(v) for k, v in cells.items()}
    except pa.ArrowException as error:
        raise InputError(f"{path}: not a readable Parquet file ({error}).") from error


def open_images(source: TableSource, setting: SourceSetting) -> TableImages:
    """The images of ``source``."""
    del setting
    return TableImages(source)
