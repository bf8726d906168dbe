"""Perceptual hashes that differ in few bits."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

#: bits of a perceptual hash
BITS = 64


def near_pairs(hashes: NDArray[np.uint64], bits: int) -> NDArray[np.int64]:
    """The pairs of distinct hashes that differ in at most ``bits`` bits.

    Two such hashes agree in at least one of ``bits`` + 1 pieces, so only those that share a piece
    are compared: for 10^6 random hashes and 4 bits, 3 * 10^8 pairs instead of 5 * 10^11.

    Args:
        hashes: [n], all different.
        bits: from 0.

    Returns:
        [m, 2] places in ``hashes``, each pair once, the lower place first, in their order.
    """
    edges = np.linspace(0, BITS, bits + 2).astype(int)
    found = [np.zeros((0, 2), np.int64)]
    for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        piece = hashes >> np.uint64(low) & np.uint64((1 << (high - low)) - 1)
        found += _near_with_equal(piece, hashes, bits)
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
