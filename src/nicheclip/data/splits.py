"""Train, validation and test: by a hash of the image's id, or as the source says."""

import numpy as np
import polars as pl

from nicheclip.config.data import SplitConfig
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.seeding import unit_interval

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}


def normalise_split(text: str, *, where: str) -> str:
    """``train``, ``val`` or ``test`` for the usual spellings of them.

    Raises:
        InputError: another word; ``where`` names the file, row or folder.
    """
    split = SPLIT_NAMES.get(text.strip().lower())
    if split is None:
        raise InputError(
            f"{where}: the split {text!r} is none of {', '.join(SPLIT_NAMES)}. Correct it, or use "
            "the split method 'hash' without split names."
        )
    return split


def given_split(split: str | None, *, key: str) -> str:
    """The source's split of the image ``key``.

    Raises:
        InputError: the source has none.
    """
    if split is None:
        raise InputError(
            f"{key}: the split method is 'given', but the source names no split for this image. "
            "Complete the source, or use the split method 'hash'."
        )
    return split


def hash_splits(
    image_ids: pl.Series, class_ids: pl.Series, config: SplitConfig, *, seed: int
) -> pl.Series:
    """The split of each image, from its own id only, so that added images move no other.

    Each class is cut at the same points of [0, 1), hence in the same proportions up to chance.
    The first image of a class in the order of the hash always trains, which matters for the very
    small classes that would otherwise have no training image.
    """
    places = np.fromiter(
        (unit_interval(seed, "split", one) for one in image_ids), np.float64, len(image_ids)
    )
    frame = pl.DataFrame({"class_id": class_ids, "place": places}).with_row_index("row")
    first = frame.sort("place", "row").unique("class_id", keep="first", maintain_order=True)
    place = pl.col("place")
    drawn = (
        pl.when(
            pl.col("row").is_in(first["row"].implode()) | (place < 1 - config.val - config.test)
        )
        .then(pl.lit("train"))
        .when(place < 1 - config.test)
        .then(pl.lit("val"))
        .otherwise(pl.lit("test"))
    )
    return frame.select(split=drawn)["split"]
