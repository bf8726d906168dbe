"""Versions of one photograph: images whose perceptual hashes differ in few bits."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from nicheclip.data.near_pairs import near_pairs


def near_groups(phashes: NDArray[np.uint64], bits: int) -> NDArray[np.int64]:
    """The group of each image: those that are linked by near pairs share a number.

    Args:
        phashes: [n], perceptual hashes.
        bits: two images are near when their hashes differ in at most so many.

    Returns:
        [n] group numbers.
    """
    hashes, of_image = np.unique(phashes, return_inverse=True)
    pairs = near_pairs(hashes, bits)
    graph = coo_array(
        (np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(len(hashes),) * 2
    )
    numbers = connected_components(graph, directed=False)[1].astype(np.int64)
    groups: NDArray[np.int64] = numbers[of_image]
    return groups
