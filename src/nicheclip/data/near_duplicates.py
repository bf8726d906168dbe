"""Versions of one photograph: images whose perceptual hashes differ in few bits."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from nicheclip.data.buckets import Buckets
from nicheclip.data.near_pairs import HASH, HASHES_OF_A_BUCKET, near_pairs

HashedRows = Iterable[tuple[NDArray[np.int64], NDArray[np.uint64]]]
"""Numbers of rows, rising, and their perceptual hashes; piece by piece."""


@dataclass(frozen=True)
class Groups:
    """Images that belong together; one that is not named stands alone."""

    rows: NDArray[np.int64]
    """[m]: the numbers of their rows, rising."""
    numbers: NDArray[np.int64]
    """[m]: of the group of each, from 0."""
    count: int
    """Of the groups."""

    def within(self, chosen: NDArray[np.bool_]) -> "Groups":
        """Those of the rows for which ``chosen`` [rows] is true."""
        mine = chosen[self.rows]
        return Groups(self.rows[mine], self.numbers[mine], self.count)

    def found(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """[n]: which of ``rows`` are named, and at which place of ``self.rows``."""
        places = np.searchsorted(self.rows, rows)
        inside = places < len(self.rows)
        named = inside.copy()
        named[inside] = self.rows[places[inside]] == rows[inside]
        return named, places


def near_groups(images: Callable[[], HashedRows], count: int, bits: int, spool: Path) -> Groups:
    """The images that have versions: those that are linked by near pairs are a group.

    One bucket of hashes is in memory, and what is found.

    Args:
        images: called twice.
        count: of the images.
        bits: two images are near when their hashes differ in at most so many.
        spool: a folder for hashes.
    """
    buckets = Buckets(spool, HASH, records=count, size=HASHES_OF_A_BUCKET)
    for _, hashes in images():
        buckets.add(hashes, buckets.mixed(hashes))
    different, several, total = spool / "hashes", [np.zeros(0, np.uint64)], 0
    with different.open("wb") as file:
        for bucket in buckets:
            values, images_of_each = np.unique(bucket, return_counts=True)
            several.append(values[images_of_each > 1])
            file.write(values.tobytes())
            total += len(values)
    pairs = near_pairs(lambda: _pieces(different), total, bits, spool)
    different.unlink()
    linked = np.unique(np.concatenate([*several, pairs.ravel()]))
    first, second = (np.searchsorted(linked, pairs[:, side]) for side in (0, 1))
    graph = coo_array((np.ones(len(pairs), bool), (first, second)), shape=(len(linked),) * 2)
    groups, number_of = connected_components(graph, directed=False)
    rows, numbers = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for where, hashes in images():
        places = np.searchsorted(linked, hashes)
        mine = places < len(linked)
        mine[mine] = linked[places[mine]] == hashes[mine]
        rows.append(where[mine])
        numbers.append(number_of[places[mine]].astype(np.int64))
    return Groups(np.concatenate(rows), np.concatenate(numbers), int(groups))


def _pieces(path: Path) -> Iterator[NDArray[np.uint64]]:
    with path.open("rb") as file:
        while len(some := np.fromfile(file, HASH, HASHES_OF_A_BUCKET)):
            yield some
