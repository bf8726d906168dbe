"""A catalog in the order of the image ids, from rows in any order, in bounded memory."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nicheclip.data.acquired_rows import AcquiredRows
from nicheclip.runtime.errors import InputError
from nicheclip.schemas import CATALOG

#: rows that are sorted together
ROWS_OF_A_BUCKET = 1 << 16
#: buckets are told apart by so many hex digits of the id
DIGITS = 5


class CatalogWriter:
    """Takes rows as they come; ``finish`` writes the catalog.

    Ids are hashes, so equal ranges of them hold about equally many rows: each range is a bucket on
    disk until it is sorted.
    """

    def __init__(self, name: str, spool: Path, rows: int) -> None:
        """Open the buckets.

        Args:
            name: of the data set.
            spool: a folder for the buckets.
            rows: that will come.
        """
        self._name = name
        self._paths = [spool / f"bucket-{i}" for i in range(-(-max(rows, 1) // ROWS_OF_A_BUCKET))]

    def add(self, rows: pl.DataFrame) -> None:
        """Add rows with the columns of schema ``CATALOG`` but for ``source``."""
        digits = pl.col("image_id").str.slice(0, DIGITS).str.to_integer(base=16)
        named = rows.with_columns(
            source=pl.lit(self._name), bucket=digits * len(self._paths) // 16**DIGITS
        ).sort("bucket")
        numbers = named["bucket"].to_numpy()
        table = named.select(CATALOG.names).to_arrow().cast(CATALOG)
        edges = np.searchsorted(numbers, np.arange(len(self._paths) + 1)).tolist()
        for path, (start, end) in zip(self._paths, pairwise(edges), strict=True):
            if end > start:
                with path.open("ab") as file, pa.ipc.new_stream(file, CATALOG) as stream:
                    stream.write_table(table.slice(start, end - start))

    def finish(self, path: Path, acquired: AcquiredRows) -> None:
        """Write the catalog.

        Args:
            path: written.
            acquired: what the rows came from, for what an error says.

        Raises:
            InputError: two images have the same id.
        """
        with pq.ParquetWriter(path, CATALOG, compression="zstd") as catalog:
            for bucket in self._paths:
                rows = _read(bucket).sort_by("image_id")
                _check_ids(rows["image_id"], acquired, self._name)
                catalog.write_table(rows)


def _read(bucket: Path) -> pa.Table:
    """The rows of a bucket, which is removed."""
    pieces = [CATALOG.empty_table()]
    if bucket.exists():
        with bucket.open("rb") as file:
            while file.peek(1):
                pieces.append(pa.ipc.open_stream(file).read_all())
        bucket.unlink()
    return pa.concat_tables(pieces)


def _check_ids(ids: pa.ChunkedArray, acquired: AcquiredRows, name: str) -> None:
    """``ids`` are sorted."""
    again = ids[1:].filter(pc.equal(ids[1:], ids[: len(ids) - 1]))
    if not len(again):
        return
    first, second = acquired.where(pl.col("image_id") == again[0].as_py())["key"].head(2)
    if first == second:
        raise InputError(f"{name}: the source names {first!r} twice. Remove one of the two.")
    raise InputError(f"{name}: {second!r} and {first!r} have the same id. Rename one of the two.")
