"""Rows that are found by their key, of which eight bytes are kept."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

#: the place of a key that no row has
NOWHERE = -1


def hashes_of(keys: pl.Series) -> NDArray[np.uint64]:
    """[n]: the same for a key in every process."""
    return keys.hash(seed=0).to_numpy()


def places_of(keys: pl.Series, hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """[n]: where the hash of each key stands among the sorted ``hashes``, or ``NOWHERE``."""
    if not len(hashes):
        return np.full(len(keys), NOWHERE)
    digests = hashes_of(keys)
    places = np.minimum(np.searchsorted(hashes, digests), len(hashes) - 1)
    return np.where(hashes[places] == digests, places, NOWHERE)
