"""Tables of millions of rows, read a block at a time; of what rows say, each is kept once."""

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from nicheclip.data.sources.columns import cell_text
from nicheclip.runtime.errors import InputError

log = logging.getLogger(__name__)

BLOCK_BYTES = 16 << 20


@dataclass(frozen=True)
class TableFile:
    """A table as it was found."""

    name: str
    content: Path | bytes
    split: str | None
    """Of all its rows; None leaves it to a column."""


class Facts:
    """What rows say, each different one once."""

    def __init__(self, columns: Sequence[str]) -> None:
        """``columns``: of the rows."""
        self._columns = list(columns)
        self.rows = pl.DataFrame(schema=dict.fromkeys(columns, pl.String))

    def codes(self, said: pl.DataFrame) -> NDArray[np.int32]:
        """The number of what each row says in ``rows``, which receives what is new."""
        known = self.rows.with_row_index("code")
        different = said.unique(maintain_order=True)
        new = different.join(known, on=self._columns, how="anti", nulls_equal=True)
        self.rows = pl.concat([self.rows, new.select(self._columns)])
        known = self.rows.with_row_index("code")
        found = said.join(
            known, on=self._columns, how="left", nulls_equal=True, maintain_order="left"
        )
        codes: NDArray[np.int32] = found["code"].cast(pl.Int32).to_numpy()
        return codes


def stripped(block: pl.DataFrame, nothing: Sequence[str]) -> pl.DataFrame:
    """``block`` without the spaces around its cells; cells that say as little as an empty one, as
    those of ``nothing`` do, are null."""
    cells = pl.all().str.strip_chars()
    return block.select(
        pl.when(cells.is_in(["", *nothing])).then(None).otherwise(cells).name.keep()
    )


def blocks(file: TableFile, wanted: Sequence[str], delimiter: str) -> Iterator[pl.DataFrame]:
    """The columns ``wanted`` as text, some rows at a time.

    Args:
        file: CSV, TSV or JSON.
        wanted: names of columns.
        delimiter: of a CSV; a file whose name ends in .tsv, .txt or .tab has tabs.

    Raises:
        InputError: it is damaged, or lacks a column.
    """
    try:
        if file.name.lower().endswith(".json"):
            yield _records(file, wanted)
            return
        has_tabs = file.name.lower().endswith((".tsv", ".txt", ".tab"))
        bad = _BadRows()
        parse = pa.csv.ParseOptions(
            delimiter="\t" if has_tabs else delimiter,
            newlines_in_values=not has_tabs,
            invalid_row_handler=bad.skip,
        )
        size = pa.csv.ReadOptions(block_size=BLOCK_BYTES)
        with pa.csv.open_csv(_opened(file), read_options=size, parse_options=parse) as table:
            _check_columns(file, wanted, table.schema.names)
        bad.count = 0  # it begins anew
        convert = pa.csv.ConvertOptions(
            include_columns=wanted,
            column_types=dict.fromkeys(wanted, pa.string()),
            strings_can_be_null=False,
        )
        with pa.csv.open_csv(_opened(file), size, parse, convert) as table:
            for batch in table:
                frame = pl.from_arrow(batch)
                assert isinstance(frame, pl.DataFrame)
                yield frame
        if bad.count:
            log.warning("%s: left out %d rows that have other columns.", file.name, bad.count)
    except InputError:
        raise
    except (pa.ArrowException, OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"{file.name}: not a readable table ({error}). Get it anew; if it is right, correct "
            "reader.delimiter."
        ) from error


class _BadRows:
    """Counts rows that have more or fewer cells than the header."""

    def __init__(self) -> None:
        self.count = 0

    def skip(self, row: Any) -> str:
        """Leave it out."""
        del row
        self.count += 1
        return "skip"


def _opened(file: TableFile) -> Any:
    return str(file.content) if isinstance(file.content, Path) else pa.BufferReader(file.content)


def _records(file: TableFile, wanted: Sequence[str]) -> pl.DataFrame:
    content = file.content
    text = content.read_bytes() if isinstance(content, Path) else content
    records = json.loads(text)
    if not isinstance(records, list) or not all(isinstance(one, dict) for one in records):
        raise ValueError("expected a list of records")
    _check_columns(file, wanted, list(dict.fromkeys(name for one in records for name in one)))
    cells = {name: [cell_text(one.get(name)) for one in records] for name in wanted}
    return pl.DataFrame(cells, schema=dict.fromkeys(wanted, pl.String))


def _check_columns(file: TableFile, wanted: Sequence[str], names: Sequence[str]) -> None:
    if absent := [name for name in wanted if name not in names]:
        raise InputError(
            f"{file.name}: no column {absent[0]!r} among {list(names)[:30]}. Correct reader.member "
            "or reader.columns, or get the table anew."
        )
