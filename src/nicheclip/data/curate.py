"""From what was acquired to a catalog and its classes, in columns: duplicates, splits, ranks."""

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from nicheclip.config.data import SplitConfig
from nicheclip.data.splits import given_split, hash_splits
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import atomic_path
from nicheclip.runtime.manifest import Dropped
from nicheclip.schemas import ACQUIRED, CATALOG, CLASSES, DROPPED, read_table
from nicheclip.terms import RANKS, SPLITS


@dataclass(frozen=True)
class CurateReport:
    """What was kept and what was not."""

    counts: dict[str, int]
    """Images, classes, images of each split, and converted images by what was changed."""
    dropped: list[Dropped]
    """While acquiring and here, in the order of the source."""


def curate(
    name: str,
    split: SplitConfig,
    *,
    seed: int,
    rows: Path,
    dropped: Path,
    catalog: Path,
    classes: Path,
) -> CurateReport:
    """Join what was acquired into a catalog and classes; no image is read.

    Of images with the same bytes the first in the source stays. A later one under another label is
    dropped too: its class cannot be judged. A class keeps the ranks on which all its images agree.

    Args:
        name: of the data set.
        split: how images are split.
        seed: of the splits.
        rows: of the images, schema ``ACQUIRED``.
        dropped: what acquiring left out, schema ``DROPPED``.
        catalog: written, schema ``CATALOG``, by image id.
        classes: written, schema ``CLASSES``, by class id.

    Raises:
        InputError: the source names a key twice, lacks a split that must be given, or leaves fewer
            than two classes.
    """
    acquired = pl.DataFrame(read_table(rows, ACQUIRED))  # in the order of the source
    _check_ids(acquired, name)
    if split.method == "given":
        _check_splits(acquired)
    kept, duplicates = _without_duplicates(acquired)
    del acquired  # as large as what is kept
    left_out = pl.concat([pl.DataFrame(read_table(dropped, DROPPED)), duplicates]).sort("position")
    reasons = [Dropped(key=key, reason=reason) for _, key, reason in left_out.iter_rows()]
    class_table = _classes(kept)
    if class_table.height < 2:
        raise InputError(_too_few(name, kept, class_table, reasons))
    if split.method == "hash":
        splits = hash_splits(kept["image_id"], kept["class_id"], split, seed=seed)
        kept = kept.with_columns(splits.alias("split"))
    counts = _counts(kept, class_table)
    kept = kept.with_columns(source=pl.lit(name)).select(CATALOG.names)
    with ExitStack() as files:
        catalog_path = files.enter_context(atomic_path(catalog))
        classes_path = files.enter_context(atomic_path(classes))
        table = kept.sort("image_id").to_arrow().cast(CATALOG)
        pq.write_table(table, catalog_path, compression="zstd")
        pq.write_table(class_table.to_arrow().cast(CLASSES), classes_path, compression="zstd")
    return CurateReport(counts, reasons)


def _check_ids(rows: pl.DataFrame, name: str) -> None:
    again = rows.filter(~pl.col("image_id").is_first_distinct())
    if again.is_empty():
        return
    key = again["key"][0]
    other = rows.filter(pl.col("image_id") == again["image_id"][0])["key"][0]
    if key == other:
        raise InputError(f"{name}: the source names {key!r} twice. Remove one of the two.")
    raise InputError(
        f"{name}: {key!r} and {other!r} have the same id. Rename one of the two files."
    )


def _check_splits(rows: pl.DataFrame) -> None:
    for key in rows.filter(pl.col("split").is_null())["key"].head(1):
        given_split(None, key=key)


def _without_duplicates(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The first image of each content, and the others as rows of schema ``DROPPED``."""
    is_first = pl.col("sha256").is_first_distinct()
    kept = rows.filter(is_first)
    first = kept.select("sha256", first_key="key", first_label="class_id")
    again = rows.filter(~is_first).join(first, on="sha256", maintain_order="left")
    same = pl.col("class_id") == pl.col("first_label")
    plain = pl.format("{} = {}", "key", "first_key")
    labelled = pl.format("{} ({}) = {} ({})", "key", "class_id", "first_key", "first_label")
    duplicates = again.select(
        "position",
        key=pl.when(same).then(plain).otherwise(labelled),
        reason=pl.when(same)
        .then(pl.lit("duplicate of another image"))
        .otherwise(pl.lit("duplicate with another label")),
    )
    return kept, duplicates


def _classes(kept: pl.DataFrame) -> pl.DataFrame:
    """All classes by id (schema ``CLASSES``)."""

    def agreed(rank: str) -> pl.Expr:
        names = pl.col(rank).filter(pl.col(rank) != "").unique()
        return pl.when(names.len() == 1).then(names.first()).otherwise(pl.lit("")).alias(rank)

    common = pl.col("common").filter(pl.col("common") != "").first()
    return (
        kept.group_by("class_id")
        .agg(
            pl.col("name").first(),
            *(agreed(rank) for rank in RANKS),
            common.fill_null("").alias("common"),
            images=pl.len().cast(pl.Int64),
        )
        .sort("class_id")
        .select(CLASSES.names)
    )


def _counts(kept: pl.DataFrame, classes: pl.DataFrame) -> dict[str, int]:
    counts = {"images": kept.height, "classes": classes.height}
    counts |= {split: kept.filter(pl.col("split") == split).height for split in SPLITS}
    converted = kept["converted"].explode().drop_nulls().value_counts(name="n").sort("converted")
    return counts | {f"converted: {what}": n for what, n in converted.iter_rows()}


def _too_few(name: str, kept: pl.DataFrame, classes: pl.DataFrame, dropped: list[Dropped]) -> str:
    reasons = Counter(one.reason for one in dropped)
    summary = "; ".join(f"{count} x {reason}" for reason, count in reasons.most_common())
    return (
        f"{name}: {kept.height} images are left, of "
        f"{', '.join(classes['class_id']) or 'no class'}; at least two classes are needed. "
        f"Dropped: {summary or 'nothing'}. Check the source's path and layout."
    )
