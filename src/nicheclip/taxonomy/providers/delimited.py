"""Delimited text, read lazily or block by block, and checked before anything is made of it."""

import codecs
import io
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import IO

import polars as pl

from nicheclip.darwin_core.meta import META, Form
from nicheclip.darwin_core.rows import whole_rows
from nicheclip.runtime.errors import InputError
from nicheclip.taxonomy.published_table import Table

_SEPARATORS = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars"}
BLOCK = 2**24  # bytes
_LONGEST_HEADER = 1_000_000  # bytes


def scan(
    table: Table,
    columns: Mapping[str, Sequence[str]],
    *,
    needed: Sequence[str],
    separator: str,
    quoted: bool = False,
) -> pl.LazyFrame:
    """The columns of a table by our names, all text, with the ``line`` that a row begins in.

    Bytes that are no UTF-8 become U+FFFD. A row that is too short has nulls at its end. Of a packed
    table no more than the columns and a block is in memory.

    Args:
        table: the file, which has a header or is described by a ``meta.xml``.
        columns: our name to the header's possible names, the first that is there is taken; names
            that are absent and not needed give no column.
        needed: which of ours must be there.
        separator: between fields; a description comes before it.
        quoted: whether fields may be in quotation marks; likewise.

    Raises:
        InputError: no such file, an empty or damaged one, another separator, or a needed column is
            absent.
    """
    with table.opened() as stream:
        first = stream.readline(_LONGEST_HEADER)
        if not table.form and not first.decode("utf-8-sig", errors="replace").strip():
            raise InputError(
                f"{table.shown}, line 1: empty; expected a header. Download the file again."
            )
        reader = _Reader(table, columns, needed, separator, '"' if quoted else "")
        if not table.packed and not table.form:
            return reader.rows(table.path, line=2)
        return pl.concat(_blocks(reader, first, stream, table.form)).lazy()


class _Reader:
    """Makes rows of text that begins with the table's header."""

    def __init__(
        self,
        table: Table,
        columns: Mapping[str, Sequence[str]],
        needed: Sequence[str],
        separator: str,
        quote: str,
    ) -> None:
        self._table = table
        self._columns = columns
        self._needed = needed
        self._separator = table.form.separator if table.form else separator
        self.quote = table.form.quote if table.form else quote

    def rows(self, source: Path | io.BytesIO, *, line: int) -> pl.LazyFrame:
        """``line`` is that of the first row."""
        frame = pl.scan_csv(
            source,
            separator=self._separator,
            quote_char=self.quote or None,
            infer_schema=False,
            encoding="utf8-lossy",
            truncate_ragged_lines=True,
            row_index_name="line",
            row_index_offset=line,
        )
        fields = frame.collect_schema().names()[1:]
        chosen = self._chosen(fields)
        if self.quote:  # a field in quotation marks may go over several lines
            breaks = pl.col(fields).str.count_matches("\n", literal=True).fill_null(0)
            before = pl.sum_horizontal(breaks).cum_sum().shift(1, fill_value=0)
            frame = frame.with_columns(line=pl.col("line") + before)
        return frame.select("line", *(cell.alias(ours) for ours, cell in chosen.items()))

    def _chosen(self, fields: Sequence[str]) -> dict[str, pl.Expr]:
        """What our columns are made of."""
        form = self._table.form
        header = {name.strip().strip('"'): name for name in fields}
        if form:
            header = {name: fields[place] for name, place in form.columns.items()}
        defaults = form.defaults if form else {}
        chosen: dict[str, pl.Expr] = {}
        for ours, theirs in self._columns.items():
            there = [name for name in theirs if name in header]
            values = [defaults[name] for name in theirs if name in defaults]
            cell = pl.col(header[there[0]]) if there else pl.lit(None, pl.String)
            if values:
                given = cell.str.strip_chars() != ""
                cell = pl.when(given).then(cell).otherwise(pl.lit(values[0]))
            if there or values:
                chosen[ours] = cell
            elif ours in self._needed:
                raise InputError(_missing(self._table, theirs, list(header), self._separator))
        return chosen


def _blocks(
    reader: _Reader, first: bytes, stream: IO[bytes], form: Form | None
) -> Iterator[pl.DataFrame]:
    """The rows of a stream, each block under the header; none of ``form``'s own header lines.

    Args:
        reader: of the table.
        first: its first line.
        stream: what follows.
        form: of the table.
    """
    skipped = form.header_lines if form else 1
    texts: Iterator[bytes] = iter(lambda: stream.read(BLOCK), b"")
    for _ in range(skipped - 1):
        stream.readline(_LONGEST_HEADER)
    if not skipped:
        texts = chain([first.removeprefix(codecs.BOM_UTF8)], texts)
    header = _places(form) if form else first
    yield reader.rows(io.BytesIO(header), line=0).collect()  # a table without rows has columns
    line = 1 + skipped
    for text in whole_rows(texts, reader.quote):
        yield reader.rows(io.BytesIO(header + text), line=line).collect()
        line += text.count(b"\n")


def _places(form: Form) -> bytes:
    """A header of the columns' places."""
    places = range(1 + max(form.columns.values(), default=0))
    return form.separator.join(map(str, places)).encode() + b"\n"


def _missing(table: Table, theirs: Sequence[str], header: Sequence[str], separator: str) -> str:
    place = f"{table.shown}, line 1"
    expected = f"a column {' or '.join(repr(name) for name in theirs)}"
    if len(header) == 1:
        other = max(_SEPARATORS, key=header[0].count)
        if header[0].count(other):
            return (
                f"{place}: fields are divided by {_SEPARATORS[other]}, expected "
                f"{_SEPARATORS[separator]}. Give the file that the provider publishes."
            )
    shown = ", ".join(repr(name) for name in header[:12])
    if table.form:
        place = f"{table.shown}, as its {META} describes it"
    return (
        f"{place}: expected {expected}, found {shown}. Check that `kind` fits the file, or "
        "name the columns as the provider does."
    )
