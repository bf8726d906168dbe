"""Images with the same bytes: all but the first in the source are left out."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nicheclip.data.acquired_rows import AcquiredRows
from nicheclip.data.buckets import Buckets
from nicheclip.data.class_numbers import ClassNumbers
from nicheclip.data.left_out import LISTED, LeftOut

#: rows that are compared together
ROWS_OF_A_BUCKET = 1 << 18
#: what of a row is needed. 128 bits of sha256 tell images apart: two of 10^9 different ones agree
#: with a chance of 10^-21
RECORD = np.dtype(
    [("row", "<i8"), ("position", "<i8"), ("high", "<u8"), ("low", "<u8"), ("class", "<i4")]
)
#: of an image that repeats the one at ``first``
AGAIN = np.dtype([("position", "<i8"), ("first", "<i8"), ("same_class", "?")])


class Repeats(NamedTuple):
    """Which rows repeat others."""

    kept: NDArray[np.bool_]
    """[rows]: whether a row is the first in the source with its bytes."""
    again: NDArray[Any]
    """The others, as ``AGAIN``."""


def find_repeats(rows: AcquiredRows, spool: Path) -> Repeats:
    """Compare all rows by their bytes.

    Equal rows fall into the same bucket on disk, and one bucket at a time is in memory; beside it
    one byte a row.

    Args:
        rows: of the data set.
        spool: a folder for the buckets.
    """
    buckets = Buckets(spool, RECORD, records=len(rows), size=ROWS_OF_A_BUCKET)
    numbers = ClassNumbers()
    for place, frame in rows.batches(["position", "sha256", "class_id"]):
        records = _records(place, frame, numbers)
        buckets.add(records, buckets.mixed(records["high"]))
    kept, again = np.zeros(len(rows), bool), [np.zeros(0, AGAIN)]
    for bucket in buckets:
        bucket = bucket[np.lexsort((bucket["position"], bucket["low"], bucket["high"]))]
        first = np.ones(len(bucket), bool)
        first[1:] = (np.diff(bucket["high"]) != 0) | (np.diff(bucket["low"]) != 0)
        kept[bucket["row"][first]] = True
        firsts = bucket[np.maximum.accumulate(np.where(first, np.arange(len(bucket)), 0))[~first]]
        found = np.empty(len(firsts), AGAIN)
        found["position"], found["first"] = bucket["position"][~first], firsts["position"]
        found["same_class"] = bucket["class"][~first] == firsts["class"]
        again.append(found)
    return Repeats(kept, np.concatenate(again))


def describe(repeats: Repeats, rows: AcquiredRows, left_out: LeftOut) -> None:
    """Add to ``left_out`` what repeats another image; the first ``LISTED`` by their names."""
    again = np.sort(repeats.again, order="position")
    reason = (
        pl.when("same_class")
        .then(pl.lit("duplicate of another image"))
        .otherwise(pl.lit("duplicate with another label"))
        .alias("reason")
    )
    for start in range(0, len(again), LISTED):
        pairs = pl.DataFrame(again[start : start + LISTED]).with_columns(reason)
        if start:
            left_out.count(pairs["reason"])
        else:
            left_out.add(_with_names(pairs, rows))


def _with_names(pairs: pl.DataFrame, rows: AcquiredRows) -> pl.DataFrame:
    """``AGAIN`` with its reasons, as rows of schema ``DROPPED``."""
    wanted = pl.concat([pairs["position"], pairs["first"]]).unique().implode()
    named = pl.concat(
        frame.filter(pl.col("position").is_in(wanted))
        for _, frame in rows.batches(["position", "key", "class_id"])
    )
    first = named.select(first="position", first_key="key", first_label="class_id")
    plain = pl.format("{} = {}", "key", "first_key")
    labelled = pl.format("{} ({}) = {} ({})", "key", "class_id", "first_key", "first_label")
    key = pl.when("same_class").then(plain).otherwise(labelled)
    joined = pairs.join(named, on="position").join(first, on="first")
    return joined.select("position", key=key, reason="reason")


def _records(place: slice, frame: pl.DataFrame, numbers: ClassNumbers) -> NDArray[Any]:
    records = np.empty(frame.height, RECORD)
    records["row"] = np.arange(place.start, place.stop)
    records["position"] = frame["position"].to_numpy()
    records["class"] = numbers.of(frame["class_id"])
    for name, start in (("high", 0), ("low", 16)):
        half = frame["sha256"].str.slice(start, 16).str.to_integer(base=16, dtype=pl.UInt64)
        records[name] = half.to_numpy()
    return records
