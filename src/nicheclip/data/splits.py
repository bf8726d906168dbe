"""Train, validation and test: drawn, by numbers of each class, or as the source says."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nicheclip.config.data import SplitConfig
from nicheclip.data.acquired_rows import AcquiredRows
from nicheclip.data.class_numbers import ClassNumbers
from nicheclip.data.draw import DRAWN, TEST, TRAIN, VAL, draw
from nicheclip.data.near_duplicates import Groups
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.seeding import unit_interval
from nicheclip.terms import SPLITS

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
#: of a row that is left out
NONE = -1


def normalise_split(text: str, *, where: str) -> str:
    """``train``, ``val`` or ``test`` for the usual spellings of them.

    Raises:
        InputError: another word; ``where`` names the file, row or folder.
    """
    split = SPLIT_NAMES.get(text.strip().lower())
    if split is None:
        raise InputError(
            f"{where}: the split {text!r} is none of {', '.join(SPLIT_NAMES)}. Correct it, or use "
            "another split method without split names."
        )
    return split


def choose_splits(
    rows: AcquiredRows,
    kept: NDArray[np.bool_],
    config: SplitConfig,
    *,
    groups: Groups | None = None,
    seed: int,
    spool: Path,
) -> NDArray[np.int8]:
    """The number of each row's split; ``NONE`` where it is not kept.

    Args:
        rows: of the data set.
        kept: which rows are.
        config: says how.
        groups: of kept rows; images of one group go to one split, unless the source says.
        seed: of the places.
        spool: a folder for what is sorted on disk.

    Raises:
        InputError: the method is ``given``, and the source names no split for an image.
    """
    if config.method == "counts":
        return _by_counts(rows, kept, config)
    splits, drawn = np.full(len(rows), NONE, np.int8), kept
    if config.method == "given":
        splits = _given(rows, kept)
        if config.val_trains:
            splits[splits == VAL] = TRAIN
        if not config.val_from_train or (splits == VAL).any():
            return splits
        config = config.model_copy(update={"val": config.val_from_train, "test": 0.0})
        drawn = splits == TRAIN
        groups = None if groups is None else groups.within(drawn)
    least = None
    if groups is not None:
        least = np.ones(groups.count)
        for where, frame in rows.batches(["sha256"]):
            named, places = groups.found(np.arange(where.start, where.stop))
            own = [unit_interval(seed, "split", one) for one in frame["sha256"].filter(named)]
            np.minimum.at(least, groups.numbers[places[named]], own)

    def images() -> Iterator[NDArray[Any]]:
        numbers = ClassNumbers()
        for where, frame in rows.batches(["sha256", "class_id"]):
            mine = np.flatnonzero(drawn[where])
            found = np.zeros(len(mine), DRAWN)
            found["row"] = where.start + mine
            found["class"] = numbers.of(frame["class_id"][mine])
            found["place"] = [unit_interval(seed, "split", one) for one in frame["sha256"][mine]]
            if groups is not None and least is not None:
                named, places = groups.found(found["row"])
                found["place"][named] = least[groups.numbers[places[named]]]
            yield found

    draw(images(), splits, config, groups, spool)
    return splits


def _by_counts(
    rows: AcquiredRows, kept: NDArray[np.bool_], config: SplitConfig
) -> NDArray[np.int8]:
    """The first images of each class by their keys, whatever the order of the source."""
    keys = [frame for _, frame in rows.batches(["key", "class_id"])]
    frame = pl.concat(keys).with_row_index().filter(pl.Series(kept)).sort("class_id", "key")
    place = frame.select(pl.int_range(pl.len()).over("class_id")).to_series().to_numpy()
    train = config.train_images or 0
    end = train + config.test_images if config.test_images else np.inf
    found = np.where(place < train, TRAIN, np.where(place < end, TEST, NONE)).astype(np.int8)
    splits = np.full(len(rows), NONE, np.int8)
    splits[frame["index"].to_numpy()] = found
    return splits


def _given(rows: AcquiredRows, kept: NDArray[np.bool_]) -> NDArray[np.int8]:
    splits = np.full(len(rows), NONE, np.int8)
    for where, frame in rows.batches(["split"]):
        numbers = frame["split"].replace_strict(_numbers(), default=NONE, return_dtype=pl.Int8)
        splits[where] = numbers.to_numpy()
    if (splits[kept] == NONE).any():
        key = rows.where(pl.col("split").is_null())["key"][0]
        raise InputError(
            f"{key}: the split method is 'given', but the source names no split for this image. "
            "Complete the source, or use the split method 'stratified' or 'hash'."
        )
    splits[~kept] = NONE
    return splits


def _numbers() -> dict[str, int]:
    return {name: number for number, name in enumerate(SPLITS)}


def split_names(numbers: NDArray[np.int8]) -> pl.Series:
    """What the splits with these numbers are called."""
    names: Sequence[str] = SPLITS
    return pl.Series("split", np.asarray(names, object)[numbers], pl.String)
