"""Judged images that a model was trained on: what is measured on them says nothing of new ones."""

import logging
import tempfile
from pathlib import Path

import polars as pl
import pyarrow.compute as pc

from nicheclip.data.near_pairs import near_between
from nicheclip.evaluation.measures import Measure
from nicheclip.evaluation.split_tables import SplitTables
from nicheclip.schemas import CATALOG, read_table

log = logging.getLogger(__name__)

#: two images are versions of one photograph when their perceptual hashes differ in so many bits
BITS = 4
#: the names of the measures
SAME, NEAR = "trained_images", "trained_near_duplicates"


def measure_all_trained(tables: SplitTables) -> list[Measure]:
    """``measure_trained`` for each other data set that the judged model was trained on."""
    return [
        measure
        for trained in tables.trained_on
        for measure in measure_trained(tables.catalog, tables.split, trained)
    ]


def measure_trained(judged: Path, split: str, trained: Path) -> list[Measure]:
    """The shares of the judged images that trained: with the same bytes, and as other versions.

    The second is left out where images have no perceptual hash (``image.check: header``).

    Args:
        judged: schema ``CATALOG``, of the judged data set.
        split: that is judged.
        trained: schema ``CATALOG``, of the data set that the model was trained on.
    """
    mine, theirs = _images(judged, split), _images(trained, "train")
    same = pl.Series(mine["sha256"].is_in(theirs["sha256"].implode()))
    n, hashed = mine.height, not (mine["phash"].has_nulls() or theirs["phash"].has_nulls())
    versions = _near(mine["phash"], theirs["phash"]) if hashed else pl.Series(dtype=pl.UInt64)
    near = mine["phash"].is_in(versions.implode()) & ~same
    if same.any() or near.any():
        log.warning(
            "%s: of the %d images of %s, %d trained (%s), and versions of %d more did. What is "
            "measured on them says nothing about new images.",
            judged,
            n,
            split,
            same.sum(),
            trained,
            near.sum(),
        )
    shares = {SAME: same, NEAR: near} if hashed else {SAME: same}
    return [
        Measure(name=name, value=float(one.sum()) / max(n, 1), n=n) for name, one in shares.items()
    ]


def _images(catalog: Path, split: str) -> pl.DataFrame:
    table = read_table(catalog, CATALOG, where=pc.field("split") == split)
    return pl.DataFrame(table.select(["sha256", "phash"]))


def _near(mine: pl.Series, theirs: pl.Series) -> pl.Series:
    """The hashes of ``mine`` that are near one of ``theirs``, or equal to it."""
    ours, others = mine.unique().to_numpy(), theirs.unique().to_numpy()
    with tempfile.TemporaryDirectory() as spool:
        pairs = near_between(ours, others, BITS, Path(spool))
    return pl.Series(pairs[:, 0], dtype=pl.UInt64)
