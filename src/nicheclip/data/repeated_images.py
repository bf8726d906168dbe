"""Images with the same bytes: all but the first in the source are left out."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nicheclip.data.acquired_rows import AcquiredRows
from nicheclip.schemas import DROPPED

#: rows that are compared together
ROWS_OF_A_BUCKET = 1 << 20
#: what of a row is needed. 128 bits of sha256 tell images apart: two of 10^9 different ones agree
#: with a chance of 10^-21
RECORD = np.dtype([("row", "<i8"), ("position", "<i8"), ("high", "<u8"), ("low", "<u8")])


class Repeats(NamedTuple):
    """Which rows repeat others."""

    kept: NDArray[np.bool_]
    """[rows]: whether a row is the first in the source with its bytes."""
    again: NDArray[np.int64]
    """[m, 2]: positions of the others, each with that of the first."""


def find_repeats(rows: AcquiredRows, spool: Path) -> Repeats:
    """Compare all rows by their bytes.

    Equal rows fall into the same bucket on disk, and one bucket at a time is in memory; beside it
    one byte a row.

    Args:
        rows: of the data set.
        spool: a folder for the buckets.
    """
    buckets = -(-max(len(rows), 1) // ROWS_OF_A_BUCKET)
    paths = [spool / f"bytes-{number}" for number in range(buckets)]
    files = [path.open("wb") for path in paths]
    for place, frame in rows.batches(["position", "sha256"]):
        records = _records(place, frame)
        # the upper 20 bits, as a share of all buckets
        numbers = (records["high"] >> np.uint64(44)).astype(np.int64) * buckets >> 20
        for number in np.unique(numbers):
            files[number].write(records[numbers == number].tobytes())
    for file in files:
        file.close()
    kept, again = np.zeros(len(rows), bool), [np.zeros((0, 2), np.int64)]
    for path in paths:
        bucket = np.fromfile(path, RECORD)
        bucket = bucket[np.lexsort((bucket["position"], bucket["low"], bucket["high"]))]
        first = np.ones(len(bucket), bool)
        first[1:] = (np.diff(bucket["high"]) != 0) | (np.diff(bucket["low"]) != 0)
        kept[bucket["row"][first]] = True
        firsts = np.maximum.accumulate(np.where(first, np.arange(len(bucket)), 0))
        pairs = bucket["position"][~first], bucket["position"][firsts[~first]]
        again.append(np.stack(pairs, axis=1))
        path.unlink()
    return Repeats(kept, np.concatenate(again))


def describe(repeats: Repeats, rows: AcquiredRows) -> pl.DataFrame:
    """What is left out because it repeats another image, as rows of schema ``DROPPED``."""
    pairs = pl.DataFrame({"position": repeats.again[:, 0], "first": repeats.again[:, 1]})
    if pairs.is_empty():
        return pl.DataFrame(DROPPED.empty_table())
    wanted = pl.col("position").is_in(np.unique(repeats.again))
    named = rows.where(wanted).select("position", "key", "class_id")
    first = named.select(first="position", first_key="key", first_label="class_id")
    same = pl.col("class_id") == pl.col("first_label")
    plain = pl.format("{} = {}", "key", "first_key")
    labelled = pl.format("{} ({}) = {} ({})", "key", "class_id", "first_key", "first_label")
    return (
        pairs.join(named, on="position")
        .join(first, on="first")
        .select(
            "position",
            key=pl.when(same).then(plain).otherwise(labelled),
            reason=pl.when(same)
            .then(pl.lit("duplicate of another image"))
            .otherwise(pl.lit("duplicate with another label")),
        )
    )


def _records(place: slice, frame: pl.DataFrame) -> NDArray[Any]:
    records = np.empty(frame.height, RECORD)
    records["row"] = np.arange(place.start, place.stop)
    records["position"] = frame["position"].to_numpy()
    for name, start in (("high", 0), ("low", 16)):
        half = frame["sha256"].str.slice(start, 16).str.to_integer(base=16, dtype=pl.UInt64)
        records[name] = half.to_numpy()
    return records
