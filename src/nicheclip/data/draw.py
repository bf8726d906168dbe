"""Splits that are drawn: exact shares of each class, or by each image's own place."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nicheclip.config.data import SplitConfig
from nicheclip.data.buckets import Buckets
from nicheclip.data.near_duplicates import Groups
from nicheclip.terms import SPLITS

#: the number of a split is its place in ``SPLITS``
TRAIN, VAL, TEST = range(3)
#: images that are sorted together
IMAGES_OF_A_BUCKET = 1 << 18
#: an image whose split is drawn: its place in [0, 1) and its class
DRAWN = np.dtype([("row", "<i8"), ("place", "<f8"), ("class", "<i4")])


def draw(
    images: Iterable[NDArray[Any]],
    splits: NDArray[np.int8],
    config: SplitConfig,
    groups: Groups | None,
    spool: Path,
) -> None:
    """Write into ``splits`` [rows] the number of the split of each of ``images``.

    ``stratified``: exact shares of each class, in the order of the places: test first, then
    validation. A share is rounded to the nearest whole image. A class that has enough images has
    one at least in each split that is wanted: the first trains, the second is for test, the third
    for validation.

    ``hash``: by the image's own place, so that added images move no other. Each class is cut at the
    same points, hence in the same shares up to chance. The first image of a class in the order of
    the places always trains, which matters for very small classes.

    A group goes where most of its images would. The images are sorted by place in buckets on disk,
    of which one is in memory, beside some numbers of each class and each image of a group.

    Args:
        images: ``DRAWN``, in pieces. All images of a group have the same place.
        splits: of all rows; those of other images stay as they are.
        config: with the method ``hash``, or else ``stratified``.
        groups: of images.
        spool: a folder for the buckets.
    """
    buckets = Buckets(spool, DRAWN, records=len(splits), size=IMAGES_OF_A_BUCKET)
    sizes = np.zeros(0, np.int64)
    for piece in images:
        counted = np.bincount(piece["class"], minlength=len(sizes))
        counted[: len(sizes)] += sizes
        sizes = counted
        numbers = (piece["place"] * buckets.count).astype(np.int64)
        buckets.add(piece, np.minimum(numbers, buckets.count - 1))
    method = _ByHash(config) if config.method == "hash" else _ByShares(config, sizes)
    whole = None if groups is None else _WholeGroups(groups, len(sizes))
    seen = np.zeros(len(sizes), np.int64)
    for bucket in buckets:
        bucket = bucket[np.lexsort((bucket["place"], bucket["class"]))]
        firsts = np.flatnonzero(np.diff(bucket["class"], prepend=-1))
        owners = bucket["class"][firsts]
        counts = np.diff(np.append(firsts, len(bucket)))
        ranks = np.arange(len(bucket)) + np.repeat(seen[owners] - firsts, counts)
        seen[owners] += counts
        found = method.split(bucket, ranks)
        splits[bucket["row"]] = found
        if whole is not None:
            whole.add(bucket, found)
    if whole is not None:
        whole.settle(splits)


class _ByHash:
    def __init__(self, config: SplitConfig) -> None:
        self._cuts = [1 - config.val - config.test, 1 - config.test]

    def split(self, images: NDArray[Any], ranks: NDArray[np.int64]) -> NDArray[np.int8]:
        """Of ``images`` with these ranks among the places of their class."""
        splits = np.searchsorted(self._cuts, images["place"], side="right").astype(np.int8)
        splits[ranks == 0] = TRAIN
        return splits


class _ByShares:
    def __init__(self, config: SplitConfig, sizes: NDArray[np.int64]) -> None:
        test = _share(sizes, config.test, least=(sizes >= 2) & (config.test > 0))
        wanted = 2 + (config.test > 0)
        least = (sizes >= wanted) & (config.val > 0)
        val = _share(sizes, config.val, least=least)
        over = np.maximum(test + val - (sizes - 1), 0)  # one trains, whatever the shares
        of_val = np.minimum(over, val - least)
        val -= of_val
        self._test = np.minimum(test - (over - of_val), sizes - 1)
        self._judged = self._test + val

    def split(self, images: NDArray[Any], ranks: NDArray[np.int64]) -> NDArray[np.int8]:
        """Of ``images`` with these ranks among the places of their class."""
        test, judged = self._test[images["class"]], self._judged[images["class"]]
        found: NDArray[np.int8] = np.where(
            ranks < test, TEST, np.where(ranks < judged, VAL, TRAIN)
        ).astype(np.int8)
        return found


class _WholeGroups:
    """Each group in one split: the one that most of its images have, of equals the first.

    A class that would not train then has its largest group in train, which no split is worth; where
    each of its groups has one image of it, the first image by place that stands alone.
    """

    def __init__(self, groups: Groups, classes: int) -> None:
        self._groups = groups
        self._votes = np.zeros((groups.count, len(SPLITS)), np.int64)
        self._class_of = np.zeros(len(groups.rows), np.int64)
        self._trains = np.zeros(classes, bool)
        self._alone = np.full(classes, -1, np.int64)

    def add(self, images: NDArray[Any], splits: NDArray[np.int8]) -> None:
        """Count ``images``, sorted by class and place, with the splits that were drawn."""
        named, places = self._groups.found(images["row"])
        places = places[named]
        self._class_of[places] = images["class"][named]
        np.add.at(self._votes, (self._groups.numbers[places], splits[named]), 1)
        alone = images[~named]
        self._trains[alone["class"][splits[~named] == TRAIN]] = True
        classes, firsts = np.unique(alone["class"], return_index=True)
        new = self._alone[classes] < 0
        self._alone[classes[new]] = alone["row"][firsts[new]]

    def settle(self, splits: NDArray[np.int8]) -> None:
        """Write into ``splits`` where the groups go."""
        numbers = self._groups.numbers
        of_group: NDArray[np.int8] = self._votes.argmax(axis=1).astype(np.int8)
        self._trains[self._class_of[of_group[numbers] == TRAIN]] = True
        for number in np.flatnonzero(~self._trains):
            mine, images = np.unique(numbers[self._class_of == number], return_counts=True)
            if images.max(initial=0) <= 1 and self._alone[number] >= 0:
                splits[self._alone[number]] = TRAIN
            elif len(mine):
                of_group[mine[images.argmax()]] = TRAIN
        splits[self._groups.rows] = of_group[numbers]


def _share(
    sizes: NDArray[np.int64], share: float, *, least: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """``share`` of each size, rounded to the nearest, and one where ``least`` says so."""
    rounded = np.floor(sizes * share + 0.5).astype(np.int64)
    found: NDArray[np.int64] = np.where(least, np.maximum(rounded, 1), rounded)
    return found
