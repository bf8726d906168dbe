"""Train, validation and test: exact shares or numbers of each class, a hash, or the source's."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nicheclip.config.data import SplitConfig
from nicheclip.data.acquired_rows import AcquiredRows
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
#: the number of a split is its place in ``SPLITS``
TRAIN, VAL, TEST = range(3)
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
    groups: NDArray[np.int64] | None = None,
    seed: int,
) -> NDArray[np.int8]:
    """The number of each row's split; ``NONE`` where it is not kept.

    Args:
        rows: of the data set.
        kept: which rows are.
        config: says how.
        groups: of the kept rows; images of one group go to one split, unless the source says.
        seed: of the places.

    Raises:
        InputError: the method is ``given``, and the source names no split for an image.
    """
    if config.method == "counts":
        return _by_counts(rows, kept, config)
    if config.method == "given":
        splits = _given(rows, kept)
        if config.val_trains:
            splits[splits == VAL] = TRAIN
        if not config.val_from_train or (splits == VAL).any():
            return splits
    places, classes = np.zeros(len(rows)), np.zeros(len(rows), np.int32)
    numbers: dict[str, int] = {}
    for where, frame in rows.batches(["sha256", "class_id"]):
        places[where] = [unit_interval(seed, "split", one) for one in frame["sha256"]]
        classes[where] = [numbers.setdefault(one, len(numbers)) for one in frame["class_id"]]
    if config.method == "given":
        drawn = config.model_copy(update={"val": config.val_from_train, "test": 0.0})
        train = splits == TRAIN
        of_train = None if groups is None else groups[train[kept]]
        splits[train] = by_shares(places[train], classes[train], drawn, of_train)
        return splits
    splits = np.full(len(rows), NONE, np.int8)
    method = by_hash if config.method == "hash" else by_shares
    splits[kept] = method(places[kept], classes[kept], config, groups)
    return splits


def by_hash(
    places: NDArray[np.float64],
    classes: NDArray[np.int32],
    config: SplitConfig,
    groups: NDArray[np.int64] | None = None,
) -> NDArray[np.int8]:
    """By the image's own place in [0, 1), so that added images move no other.

    Each class is cut at the same points, hence in the same shares up to chance. The first image of
    a class in the order of the places always trains, which matters for very small classes.
    """
    if groups is not None:
        places = _least(places, groups)
    cuts = [1 - config.val - config.test, 1 - config.test]
    splits = np.searchsorted(cuts, places, side="right").astype(np.int8)
    order = np.lexsort((places, classes))
    splits[order[_firsts(classes[order])]] = TRAIN
    return splits if groups is None else _whole_groups(splits, classes, groups)


def by_shares(
    places: NDArray[np.float64],
    classes: NDArray[np.int32],
    config: SplitConfig,
    groups: NDArray[np.int64] | None = None,
) -> NDArray[np.int8]:
    """Exact shares of each class, in the order of the places: test first, then validation.

    A share is rounded to the nearest whole image. A class that has enough images has one at least
    in each split that is wanted: the first trains, the second is for test, the third for
    validation. A group goes where most of its images would.
    """
    if groups is not None:
        places = _least(places, groups)
    order = np.lexsort((places, classes))
    firsts = _firsts(classes[order])
    sizes = np.diff([*firsts, len(order)])
    test = _share(sizes, config.test, least=(sizes >= 2) & (config.test > 0))
    wanted = 2 + (config.test > 0)
    val = _share(sizes, config.val, least=(sizes >= wanted) & (config.val > 0))
    over = np.maximum(test + val - (sizes - 1), 0)  # one trains, whatever the shares
    val -= np.minimum(over, val)
    test = np.minimum(test, sizes - 1)
    number = np.arange(len(order)) - np.repeat(firsts, sizes)
    found = np.where(
        number < np.repeat(test, sizes),
        TEST,
        np.where(number < np.repeat(test + val, sizes), VAL, TRAIN),
    )
    splits = np.empty(len(order), np.int8)
    splits[order] = found
    return splits if groups is None else _whole_groups(splits, classes, groups)


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


def _least(places: NDArray[np.float64], groups: NDArray[np.int64]) -> NDArray[np.float64]:
    """The least place of each image's group."""
    least = np.ones(int(groups.max(initial=-1)) + 1)
    np.minimum.at(least, groups, places)
    return least[groups]


def _whole_groups(
    splits: NDArray[np.int8], classes: NDArray[np.int32], groups: NDArray[np.int64]
) -> NDArray[np.int8]:
    """Each group in one split: the one that most of its images have, of equals the first.

    A class that would not train then has its largest group in train, which no split is worth.
    """
    votes = np.zeros((int(groups.max(initial=-1)) + 1, len(SPLITS)), np.int64)
    np.add.at(votes, (groups, splits), 1)
    of_group: NDArray[np.int8] = votes.argmax(axis=1).astype(np.int8)
    untrained = np.setdiff1d(classes, classes[of_group[groups] == TRAIN])
    for number in untrained:
        mine, images = np.unique(groups[classes == number], return_counts=True)
        of_group[mine[images.argmax()]] = TRAIN
    found: NDArray[np.int8] = of_group[groups]
    return found


def _share(
    sizes: NDArray[np.int64], share: float, *, least: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """``share`` of each size, rounded to the nearest, and one where ``least`` says so."""
    rounded = np.floor(sizes * share + 0.5).astype(np.int64)
    found: NDArray[np.int64] = np.where(least, np.maximum(rounded, 1), rounded)
    return found


def _firsts(classes: NDArray[np.int32]) -> NDArray[np.int64]:
    """Where each class begins, of sorted classes."""
    return np.flatnonzero(np.diff(classes, prepend=-1)).astype(np.int64)


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
