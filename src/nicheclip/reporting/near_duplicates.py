"""Versions of one photograph that a person should look at, from a catalog."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from nicheclip.data.near_pairs import near_pairs
from nicheclip.schemas import CATALOG, read_table

#: pairs that are shown
MOST_PAIRS = 12


@dataclass(frozen=True)
class NearPair:
    """Two images whose perceptual hashes differ in few bits, as rows of a catalog."""

    first: dict[str, Any]
    second: dict[str, Any]
    bits: int
    """In which the hashes differ."""

    @property
    def across(self) -> bool:
        """Whether they are in two splits."""
        return bool(self.first["split"] != self.second["split"])


def closest_pairs(catalog: Path, bits: int, most: int = MOST_PAIRS) -> list[NearPair]:
    """Near duplicates: train with test first, then other splits, then within one; nearest first.

    An image is in one pair at most, so that a burst of photographs does not fill the list.

    Args:
        catalog: schema ``CATALOG``.
        bits: two images are near when their hashes differ in at most so many.
        most: pairs that are wanted.
    """
    columns = ("image_id", "key", "split", "class_id", "phash")
    images = pl.DataFrame(read_table(catalog, CATALOG).select(columns)).sort("image_id")
    found = _pairs(images, bits).sort("rank", "bits", "image_id", "image_id_second")
    shown: set[str] = set()
    chosen: list[NearPair] = []
    for row in found.iter_rows(named=True):
        if len(chosen) == most:
            break
        if not shown & {row["image_id"], row["image_id_second"]}:
            shown |= {row["image_id"], row["image_id_second"]}
            first = {name: row[name] for name in columns}
            second = {name: row[f"{name}_second"] for name in columns}
            chosen.append(NearPair(first, second, row["bits"]))
    return chosen


def _pairs(images: pl.DataFrame, bits: int) -> pl.DataFrame:
    """Near pairs of images; of many with one hash, two of each split stand for all."""
    hashes = images["phash"].unique().sort().to_numpy()
    near = near_pairs(hashes, bits)
    alone = np.arange(len(hashes))
    both = pl.DataFrame(
        {
            "phash": hashes[np.concatenate([alone, near[:, 0]])],
            "phash_second": hashes[np.concatenate([alone, near[:, 1]])],
        }
    )
    few = images.group_by("phash", "split", maintain_order=True).head(2)
    second = few.rename(lambda name: f"{name}_second")
    train_and_test = pl.concat_str("split", "split_second").is_in(["traintest", "testtrain"])
    return (
        both.join(few, on="phash")
        .join(second, on="phash_second")
        .filter(
            (pl.col("phash") != pl.col("phash_second"))
            | (pl.col("image_id") < pl.col("image_id_second"))
        )
        .with_columns(
            bits=(pl.col("phash") ^ pl.col("phash_second")).bitwise_count_ones(),
            rank=pl.when(train_and_test)
            .then(0)
            .when(pl.col("split") != pl.col("split_second"))
            .then(1)
            .otherwise(2),
        )
    )
