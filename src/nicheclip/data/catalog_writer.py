"""A catalog in the order of the image ids, from rows in any order, in bounded memory."""

from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from nicheclip.data.acquired_rows import AcquiredRows
from nicheclip.runtime.errors import InputError
from nicheclip.schemas import CATALOG

#: rows that are sorted together
ROWS_OF_A_BUCKET = 1 << 18
#: buckets are told apart by so many hex digits of the id
DIGITS = 3


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
        self._writers = [pq.ParquetWriter(path, CATALOG) for path in self._paths]

    def add(self, rows: pl.DataFrame) -> None:
        """Add rows with the columns of schema ``CATALOG`` but for ``source``."""
        digits = pl.col("image_id").str.slice(0, DIGITS).str.to_integer(base=16)
        bucket = digits * len(self._paths) // 16**DIGITS
        for (number,), found in rows.with_columns(bucket=bucket).partition_by(
            "bucket", as_dict=True
        ).items():  # fmt: skip
            self._writers[number].write_table(self._table(found))

    def finish(self, path: Path, acquired: AcquiredRows) -> None:
        """Write the catalog.

        Args:
            path: written.
            acquired: what the rows came from, for what an error says.

        Raises:
            InputError: two images have the same id.
        """
        with pq.ParquetWriter(path, CATALOG, compression="zstd") as catalog:
            for bucket, writer in zip(self._paths, self._writers, strict=True):
                writer.close()
                rows = pl.DataFrame(pq.read_table(bucket)).sort("image_id")
                _check_ids(rows, acquired, self._name)
                catalog.write_table(rows.to_arrow().cast(CATALOG))
                bucket.unlink()

    def _table(self, rows: pl.DataFrame) -> pa.Table:
        named = rows.with_columns(source=pl.lit(self._name)).select(CATALOG.names)
        return named.to_arrow().cast(CATALOG)


def _check_ids(rows: pl.DataFrame, acquired: AcquiredRows, name: str) -> None:
    again = rows.filter(pl.col("image_id").is_duplicated())["image_id"].head(1)
    if again.is_empty():
        return
    first, second = acquired.where(pl.col("image_id") == again[0])["key"].head(2)
    if first == second:
        raise InputError(f"{name}: the source names {first!r} twice. Remove one of the two.")
    raise InputError(f"{name}: {second!r} and {first!r} have the same id. Rename one of the two.")
