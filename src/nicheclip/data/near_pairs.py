"""Perceptual hashes that differ in few bits."""

import math
from collections.abc import Iterator
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

#: bits of a perceptual hash
BITS = 64


def near_pairs(hashes: NDArray[np.uint64], bits: int) -> NDArray[np.int64]:
    """The pairs of distinct hashes that differ in at most ``bits`` bits.

    Cut into ``bits`` + k pieces, two such hashes agree in k of them at least. So for each choice of
    k pieces only hashes that agree in those are compared; k is the least for which few do so by
    chance, and the work grows little faster than the number of hashes.

    Args:
        hashes: [n], all different.
        bits: from 0.

    Returns:
        [m, 2] places in ``hashes``, each pair once, the lower place first, in their order.
    """
    equal = 1
    while BITS * equal / (bits + equal) < math.log2(len(hashes) + 1):
        equal += 1
    edges = np.linspace(0, BITS, bits + equal + 1).astype(int).tolist()
    pieces = [((1 << high) - (1 << low)) for low, high in pairwise(edges)]
    found = [np.zeros((0, 2), np.int64)]
    for chosen in combinations(pieces, equal):
        found += _near_with_equal(hashes & np.uint64(sum(chosen)), hashes, bits)
    return np.unique(np.sort(np.concatenate(found), axis=1), axis=0)


def _near_with_equal(
    piece: NDArray[np.uint64], hashes: NDArray[np.uint64], bits: int
) -> Iterator[NDArray[np.int64]]:
    """The near pairs among hashes whose piece is equal: neighbours 1, 2, ... apart when sorted."""
    order = np.argsort(piece, kind="stable")
    sorted_piece, sorted_hashes = piece[order], hashes[order]
    starts = np.arange(len(order))
    for apart in range(1, len(order)):
        starts = starts[starts + apart < len(order)]
        starts = starts[sorted_piece[starts] == sorted_piece[starts + apart]]
        if not len(starts):
            return
        differ = np.bitwise_count(sorted_hashes[starts] ^ sorted_hashes[starts + apart])
        near = starts[differ <= bits]
        yield np.stack([order[near], order[near + apart]], axis=1)
