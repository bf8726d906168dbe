"""A caption for each image, in columns: no Python object for an image or a caption is kept."""

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from nicheclip.data.image_set import ImageSet
from nicheclip.data.mapped import write_mapped
from nicheclip.runtime.seeding import stable_hash
from nicheclip.schemas import ASSIGNED, EVERY_SPLIT, ROW_CAPTIONS
from nicheclip.terms import SPLITS

#: rows of a batch of the file
ROWS_AT_ONCE = 1 << 16

GROUP = ["class_id", "split"]


def write_assigned(assigned: pa.Table, images: ImageSet, target: Path) -> int:
    """Write the captions of a split's images in their order (schema ``ROW_CAPTIONS``).

    Args:
        assigned: schema ``ASSIGNED``; rows of other splits are passed over.
        images: of the split.
        target: written.

    Returns:
        Images that have one.
    """
    ids = pl.DataFrame({"image_id": images.image_ids}, schema={"image_id": pl.String})
    rows = ids.join(pl.DataFrame(assigned), on="image_id", how="left", maintain_order="left")
    table = rows.select(ROW_CAPTIONS.names).to_arrow().cast(ROW_CAPTIONS)
    pieces = range(0, len(table), ROWS_AT_ONCE)
    write_mapped(target, ROW_CAPTIONS, (table.slice(start, ROWS_AT_ONCE) for start in pieces))
    return int(len(table) - table["caption"].null_count)


def assign(catalog: pa.Table, captions: pa.Table) -> pa.Table:
    """The caption of each image (schema ``ASSIGNED``), by image id; images without one are absent.

    A caption of the image itself comes first (the lowest sample). Otherwise the images of a class
    and split, in the order of their ids, take the captions of that class and split in turn, in the
    order of a hash of the text, so that each serves equally often up to one.

    Args:
        catalog: schema ``CATALOG``.
        captions: schema ``CAPTIONS``; rejected rows are passed over.
    """
    images = pl.DataFrame(catalog.select(["image_id", *GROUP])).sort("image_id")
    wanted = ["class_id", "image_id", "sample", "text", "verdict", "split"]
    accepted = pl.DataFrame(captions.select(wanted)).filter(pl.col("verdict") == "accepted")
    own = (
        accepted.filter(pl.col("image_id").is_not_null())
        .sort("sample", "text")
        .unique("image_id", keep="first", maintain_order=True)
        .select("image_id", own="text")
    )
    pools = _pools(accepted.filter(pl.col("image_id").is_null()))
    sizes = pools.group_by(GROUP).agg(size=pl.len())
    # an image with a caption of its own takes its turn as well
    turns = images.with_columns(number=pl.int_range(pl.len()).over(GROUP)).join(
        sizes, on=GROUP, how="left"
    )
    joined = (
        turns.with_columns(number=pl.col("number") % pl.col("size"))
        .join(pools, on=[*GROUP, "number"], how="left")
        .join(own, on="image_id", how="left")
        .select("image_id", caption=pl.coalesce("own", "text"))
        .drop_nulls("caption")
        .sort("image_id")
    )
    return joined.to_arrow().cast(ASSIGNED)


def _pools(captions: pl.DataFrame) -> pl.DataFrame:
    """The captions of each class and split in their turn: class_id, split, number, text."""
    everywhere = captions["split"] == EVERY_SPLIT
    parts = [captions.filter(~everywhere)]
    parts += [captions.filter(everywhere).with_columns(split=pl.lit(split)) for split in SPLITS]
    texts = captions["text"].unique()
    hashes = np.fromiter((stable_hash("assign", text) for text in texts), np.uint64, len(texts))
    places = pl.DataFrame({"text": texts, "place": hashes})
    ordered = pl.concat([part.select(*GROUP, "text") for part in parts]).join(places, on="text")
    return ordered.sort(*GROUP, "place", "text").select(
        *GROUP, pl.int_range(pl.len()).over(GROUP).alias("number"), "text"
    )
