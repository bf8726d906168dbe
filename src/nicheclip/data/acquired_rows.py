"""The rows of all parts of a data set, as they were acquired: streamed, never held together."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from nicheclip.data.acquire import PartFiles
from nicheclip.schemas import ACQUIRED, DROPPED, reading_parquet

#: rows that are in memory
ROWS_AT_ONCE = 1 << 14


@dataclass(frozen=True)
class AcquiredPart:
    """What acquiring one part wrote."""

    rows: Path
    """Schema ``ACQUIRED``."""
    dropped: Path
    """Schema ``DROPPED``."""
    tars: Sequence[str]
    """Relative to the folder of a split."""

    @classmethod
    def of(cls, files: PartFiles, folder: Path) -> "AcquiredPart":
        """What ``acquire`` wrote, for splits below ``folder``."""
        tars = [os.path.relpath(tar, folder / "split") for tar in files.tars]
        return cls(files.rows, files.dropped, tars)


class AcquiredRows:
    """All rows, numbered through the parts; within a part they are in the order of the source."""

    def __init__(self, parts: Sequence[AcquiredPart]) -> None:
        self.parts = parts
        self._sizes = [pq.read_metadata(part.rows).num_rows for part in parts]

    def __len__(self) -> int:
        return sum(self._sizes)

    def batches(
        self, columns: Sequence[str] = tuple(ACQUIRED.names)
    ) -> Iterator[tuple[slice, pl.DataFrame]]:
        """The rows piece by piece, each with the numbers of its rows."""
        start = 0
        for part in self.parts:
            with pq.ParquetFile(part.rows) as file:
                for batch in file.iter_batches(ROWS_AT_ONCE, columns=list(columns)):
                    yield slice(start, start + batch.num_rows), pl.DataFrame(batch)
                    start += batch.num_rows

    def where(self, condition: pl.Expr) -> pl.DataFrame:
        """Some rows, whole, in the order of the source."""
        scanned = pl.scan_parquet([part.rows for part in self.parts])
        return scanned.filter(condition).collect().sort("position")

    def dropped(self) -> Iterator[pl.DataFrame]:
        """What acquiring left out (schema ``DROPPED``), piece by piece."""
        for part in self.parts:
            with reading_parquet(part.dropped), pq.ParquetFile(part.dropped) as file:
                for batch in file.iter_batches(ROWS_AT_ONCE, columns=DROPPED.names):
                    yield pl.DataFrame(batch)
