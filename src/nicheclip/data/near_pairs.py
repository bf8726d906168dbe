"""Perceptual hashes that differ in few bits."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nicheclip.data.buckets import Buckets

#: bits of a perceptual hash
BITS = 64
#: hashes that are compared in memory
HASHES_OF_A_BUCKET = 1 << 18
#: hashes that may share the compared pieces by chance, as a power of two
BY_CHANCE = 2
#: a hash as a record on disk
HASH = np.dtype("<u8")

Piece = tuple[int, int]
"""Bits of a hash: the lowest, and the one after the highest."""


def near_pairs(
    hashes: Callable[[], Iterable[NDArray[np.uint64]]], count: int, bits: int, spool: Path
) -> NDArray[np.uint64]:
    """The pairs of distinct hashes that differ in at most ``bits`` bits.

    Cut into ``bits`` + k pieces, two such hashes agree in k of them at least. So for each choice of
    k pieces only hashes that agree in those are compared; k is the least for which few do so by
    chance, and the work grows little faster than the number of hashes. For each choice the hashes
    are spread over buckets on disk by those pieces; one bucket at a time is in memory.

    Args:
        hashes: gives all of them in pieces, no hash twice; called once for each choice.
        count: how many there are.
        bits: from 0.
        spool: a folder for the buckets.

    Returns:
        [m, 2], each pair once, the lower hash first, in their order.
    """
    equal = 1
    while BITS * equal / (bits + equal) < math.log2(count + 1) - BY_CHANCE:
        equal += 1
    edges = np.linspace(0, BITS, bits + equal + 1).astype(int).tolist()
    pieces = list(pairwise(edges))
    found = np.zeros((0, 2), np.uint64)
    for chosen in combinations(pieces, equal):
        order = [*chosen, *(piece for piece in pieces if piece not in chosen)]
        compared = sum(high - low for low, high in chosen)
        buckets = Buckets(spool, HASH, records=count, size=HASHES_OF_A_BUCKET)
        for some in hashes():
            turned = _reordered(some, order)
            buckets.add(turned, buckets.mixed(turned >> np.uint64(BITS - compared)))
        pairs = [pair for bucket in buckets for pair in _near_in(bucket, compared, bits)]
        if pairs:
            back = _put_back(np.concatenate(pairs), order)
            found = np.unique(np.concatenate([found, np.sort(back, axis=1)]), axis=0)
    return found


def near_between(
    mine: NDArray[np.uint64], theirs: NDArray[np.uint64], bits: int, spool: Path
) -> NDArray[np.uint64]:
    """The pairs of a hash of ``mine`` and one of ``theirs`` that differ in at most ``bits`` bits.

    Args:
        mine: each once.
        theirs: likewise; a hash may be in both.
        bits: from 0.
        spool: a folder for the buckets.

    Returns:
        [m, 2], each pair once: of ``mine``, of ``theirs``.
    """
    hashes = np.union1d(mine, theirs)
    pairs = near_pairs(lambda: [hashes], len(hashes), bits, spool)
    equal = np.intersect1d(mine, theirs)
    candidates = [pairs, pairs[:, ::-1], np.stack([equal, equal], axis=1)]
    return np.concatenate(
        [some[np.isin(some[:, 0], mine) & np.isin(some[:, 1], theirs)] for some in candidates]
    )


def _reordered(hashes: NDArray[np.uint64], order: Sequence[Piece]) -> NDArray[np.uint64]:
    """Hashes with their pieces in another order, the first in the highest bits."""
    found, place = np.zeros_like(hashes), BITS
    for low, high in order:
        place -= high - low
        mask = np.uint64((1 << (high - low)) - 1)
        found |= ((hashes >> np.uint64(low)) & mask) << np.uint64(place)
    return found


def _put_back(turned: NDArray[np.uint64], order: Sequence[Piece]) -> NDArray[np.uint64]:
    """What ``_reordered`` made them of."""
    found, place = np.zeros_like(turned), BITS
    for low, high in order:
        place -= high - low
        mask = np.uint64((1 << (high - low)) - 1)
        found |= ((turned >> np.uint64(place)) & mask) << np.uint64(low)
    return found


def _near_in(hashes: NDArray[np.uint64], compared: int, bits: int) -> Iterator[NDArray[np.uint64]]:
    """The near pairs among hashes whose highest ``compared`` bits are equal: neighbours 1, 2, ...
    apart when sorted.
    """
    hashes = np.sort(hashes)
    starts = np.arange(len(hashes))
    for apart in range(1, len(hashes)):
        starts = starts[: np.searchsorted(starts, len(hashes) - apart)]
        differ = hashes[starts] ^ hashes[starts + apart]
        same = differ >> np.uint64(BITS - compared) == 0
        starts, differ = starts[same], differ[same]
        if not len(starts):
            return
        near = starts[np.bitwise_count(differ) <= bits]
        if len(near):
            yield np.stack([hashes[near], hashes[near + apart]], axis=1)
