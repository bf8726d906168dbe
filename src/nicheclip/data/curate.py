"""From what was acquired to a catalog, its classes and its splits; no image is read.

Two passes over the rows of all parts. The first keeps what the decisions need, some 80 bytes a row:
what repeats, which split. The second streams the rows: they go to the catalog by way of buckets,
each of which is sorted by itself, and their ranks to the classes.
"""

import logging
import os
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import polars as pl
import pyarrow.parquet as pq

from nicheclip.config.data import SplitConfig
from nicheclip.data.acquire import PartFiles
from nicheclip.data.catalog_writer import CatalogWriter
from nicheclip.data.class_tally import ClassTally
from nicheclip.data.split_files import write_split
from nicheclip.data.splits import given_split, hash_splits
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import atomic_path
from nicheclip.runtime.manifest import Dropped
from nicheclip.schemas import ACQUIRED, CLASSES, DROPPED, read_table
from nicheclip.terms import SPLITS

log = logging.getLogger(__name__)

#: rows of the second pass that are in memory
ROWS_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class AcquiredPart:
    """What acquiring one part wrote."""

    rows: Path
    """Schema ``ACQUIRED``."""
    dropped: Path
    """Schema ``DROPPED``."""
    tars: Sequence[str]
    """Relative to the folder of a split that is written."""

    @classmethod
    def of(cls, files: PartFiles, folder: Path) -> "AcquiredPart":
        """What ``acquire`` wrote, for splits below ``folder``."""
        tars = [os.path.relpath(tar, folder / "split") for tar in files.tars]
        return cls(files.rows, files.dropped, tars)


@dataclass(frozen=True)
class CurateReport:
    """What was kept and what was not."""

    counts: dict[str, int]
    """Images, classes, images of each split, and converted images by what was changed."""
    dropped: list[Dropped]
    """While acquiring and here, in the order of the source."""
    noted: list[Dropped]
    """What is doubtful about the data set."""


def curate(
    name: str,
    split: SplitConfig,
    *,
    seed: int,
    parts: Sequence[AcquiredPart],
    folder: Path,
    expected: Mapping[str, int] = MappingProxyType({}),
) -> CurateReport:
    """Join what was acquired into a catalog, classes and splits.

    Of images with the same bytes the first in the source stays. A later one under another label is
    dropped too: its class cannot be judged. A class keeps the ranks on which all its images agree.

    Args:
        name: of the data set.
        split: how images are split.
        seed: of the splits.
        parts: of the data set.
        folder: receives ``catalog.parquet`` (schema ``CATALOG``, by image id), ``classes.parquet``
            (schema ``CLASSES``, by class id) and a folder for each split (``split_files``).
        expected: images that the source should have in each split (`all`: in all), if any.

    Raises:
        InputError: the source names a key twice, lacks a split that must be given, or leaves fewer
            than two classes.
    """
    rows = acquired = _decisions(parts)
    _check_ids(rows, parts, name)
    if split.method == "given":
        _check_splits(rows, parts)
    rows = rows.with_columns(kept=_first_of_each(rows))
    left_out, images = _left_out(rows, parts), int(rows["kept"].sum())
    classes = sorted(rows.filter("kept")["class_id"].unique().cast(pl.String))
    if len(classes) < 2:
        raise InputError(_too_few(name, images, classes, left_out))
    if split.method == "hash":
        rows = rows.with_columns(_hashed(rows, split, seed).alias("split"))
    with ExitStack() as files:
        catalog_path = files.enter_context(atomic_path(folder / "catalog.parquet"))
        classes_path = files.enter_context(atomic_path(folder / "classes.parquet"))
        spool = Path(files.enter_context(tempfile.TemporaryDirectory(prefix=".", dir=folder)))
        catalog, tally = CatalogWriter(name, spool, images), ClassTally()
        converted = _second_pass(rows, parts, catalog, tally)
        catalog.finish(catalog_path)
        class_table = tally.table()
        pq.write_table(class_table.to_arrow().cast(CLASSES), classes_path, compression="zstd")
        tars = [tar for part in parts for tar in part.tars]
        kept = rows.filter("kept")
        for one in SPLITS:
            write_split(
                folder / one, kept.filter(pl.col("split") == one), classes=classes, tars=tars
            )
    counts = {"images": images, "classes": len(classes)}
    counts |= {one: kept.filter(pl.col("split") == one).height for one in SPLITS}
    noted = _unexpected(name, acquired, expected)
    return CurateReport(counts | converted, left_out, noted)


def _decisions(parts: Sequence[AcquiredPart]) -> pl.DataFrame:
    """What of each row is needed to decide about it, part after part.

    128 bits of sha256 tell images apart: two of 10^9 different ones agree with a chance of 10^-21.
    """
    halves = {
        f"sha256_{i}": pl.col("sha256")
        .str.slice(16 * i, 16)
        .str.to_integer(base=16, dtype=pl.UInt64)
        for i in range(2)
    }
    columns = ("position", "image_id", "split", "tar", "offset", "size")
    scanned = pl.scan_parquet([part.rows for part in parts]).select(
        *columns, pl.col("class_id").cast(pl.Categorical), **halves
    )
    return scanned.with_columns(pl.col("split").cast(pl.Categorical)).collect()


def _first_of_each(rows: pl.DataFrame) -> pl.Series:
    """Whether a row is the first in the source with its bytes."""
    first = (
        rows.select("position", "sha256_0", "sha256_1")
        .with_row_index("row")
        .sort("position")
        .select("row", first=pl.struct("sha256_0", "sha256_1").is_first_distinct())
        .sort("row")
    )
    return first["first"]


def _hashed(rows: pl.DataFrame, split: SplitConfig, seed: int) -> pl.Series:
    """The split of each row; of those that are not kept, none."""
    places = rows.with_row_index("row").filter("kept").sort("position")
    drawn = hash_splits(places["image_id"], places["class_id"], split, seed=seed)
    found = places.select("row", split=drawn.cast(pl.Categorical))
    joined = rows.select(row=pl.int_range(pl.len(), dtype=pl.UInt32)).join(
        found, on="row", how="left", maintain_order="left"
    )
    return joined["split"]


def _second_pass(
    rows: pl.DataFrame,
    parts: Sequence[AcquiredPart],
    catalog: CatalogWriter,
    tally: ClassTally,
) -> dict[str, int]:
    """Stream the kept rows to catalog and classes; returns converted images by what was changed."""
    start, converted = 0, Counter[str]()
    for part in parts:
        with pq.ParquetFile(part.rows) as file:
            for batch in file.iter_batches(ROWS_AT_ONCE, columns=ACQUIRED.names):
                decided = rows.slice(start, batch.num_rows)
                start += batch.num_rows
                frame = pl.DataFrame(batch).with_columns(
                    decided["split"].cast(pl.String), decided["kept"]
                )
                frame = frame.filter("kept")
                catalog.add(frame)
                tally.add(frame)
                converted.update(frame["converted"].explode().drop_nulls().to_list())
    return {f"converted: {what}": converted[what] for what in sorted(converted)}


def _check_ids(rows: pl.DataFrame, parts: Sequence[AcquiredPart], name: str) -> None:
    again = rows.filter(~pl.col("image_id").is_first_distinct())["image_id"].head(1)
    if again.is_empty():
        return
    keys = _rows_of(parts, pl.col("image_id").is_in(again.implode()))["key"]
    if keys[0] == keys[1]:
        raise InputError(f"{name}: the source names {keys[0]!r} twice. Remove one of the two.")
    raise InputError(
        f"{name}: {keys[1]!r} and {keys[0]!r} have the same id. Rename one of the two files."
    )


def _check_splits(rows: pl.DataFrame, parts: Sequence[AcquiredPart]) -> None:
    without = rows.filter(pl.col("split").is_null())["position"]
    if not without.is_empty():
        first = _rows_of(parts, pl.col("position") == without.min())
        given_split(None, key=first["key"][0])


def _rows_of(parts: Sequence[AcquiredPart], which: pl.Expr) -> pl.DataFrame:
    """Some rows, whole, in the order of the source."""
    return pl.scan_parquet([part.rows for part in parts]).filter(which).collect().sort("position")


def _left_out(rows: pl.DataFrame, parts: Sequence[AcquiredPart]) -> list[Dropped]:
    """What acquiring dropped, and what repeats another image."""
    dropped = [pl.DataFrame(read_table(part.dropped, DROPPED)) for part in parts]
    both = pl.concat([*dropped, _duplicates(rows, parts)]).sort("position")
    return [Dropped(key=key, reason=reason) for _, key, reason in both.iter_rows()]


def _duplicates(rows: pl.DataFrame, parts: Sequence[AcquiredPart]) -> pl.DataFrame:
    """The rows that repeat another, as rows of schema ``DROPPED``."""
    content = ["sha256_0", "sha256_1"]
    again = rows.filter(~pl.col("kept")).select("position", *content)
    if again.is_empty():
        return pl.DataFrame(DROPPED.empty_table())
    firsts = rows.filter("kept").join(again, on=content, how="semi")
    wanted = pl.concat([again["position"], firsts["position"]])
    named = _rows_of(parts, pl.col("position").is_in(wanted.implode()))
    named = named.select("position", "key", "class_id")
    first = firsts.select(*content, first="position").join(
        named.select(first="position", first_key="key", first_label="class_id"), on="first"
    )
    pairs = again.join(named, on="position").join(first, on=content)
    same = pl.col("class_id") == pl.col("first_label")
    plain = pl.format("{} = {}", "key", "first_key")
    labelled = pl.format("{} ({}) = {} ({})", "key", "class_id", "first_key", "first_label")
    return pairs.select(
        "position",
        key=pl.when(same).then(plain).otherwise(labelled),
        reason=pl.when(same)
        .then(pl.lit("duplicate of another image"))
        .otherwise(pl.lit("duplicate with another label")),
    )


def _unexpected(name: str, rows: pl.DataFrame, expected: Mapping[str, int]) -> list[Dropped]:
    """A note where the registry expects other numbers of images than the source gave."""
    splits = rows["split"].cast(pl.String).fill_null("all").value_counts().sort("split")
    found = dict(splits.iter_rows())
    if not expected or found == dict(expected):
        return []
    reason = f"the registry expects {dict(expected)} images, the source gave {found}"
    log.warning("%s: %s", name, reason)
    return [Dropped(key=name, reason=reason)]


def _too_few(name: str, kept: int, classes: Sequence[str], dropped: Sequence[Dropped]) -> str:
    reasons = Counter(one.reason for one in dropped)
    summary = "; ".join(f"{count} x {reason}" for reason, count in reasons.most_common())
    return (
        f"{name}: {kept} images are left, of {', '.join(classes) or 'no class'}; at least two "
        f"classes are needed. Dropped: {summary or 'nothing'}. Check the source's path and layout."
    )
