import numpy as np
import pytest

from nicheclip.data.near_duplicates import near_groups
from nicheclip.data.near_pairs import near_pairs


def hashes_with_twins(n, flips, seed=0):
    """``n`` random hashes, and for each a twin with so many other bits."""
    rng = np.random.default_rng(seed)
    plain = rng.integers(0, 2**64, n, np.uint64, endpoint=False)
    twins = plain.copy()
    for row, count in enumerate(flips):
        for bit in rng.choice(64, count, replace=False):
            twins[row] ^= np.uint64(1) << np.uint64(bit)
    return np.concatenate([plain, twins])


@pytest.mark.parametrize("bits", [0, 1, 4, 7])
def test_pairs_are_those_of_comparing_all(bits):
    flips = np.arange(40) % 10
    hashes = np.unique(hashes_with_twins(40, flips))
    slow = [
        (i, j)
        for i in range(len(hashes))
        for j in range(i + 1, len(hashes))
        if (int(hashes[i]) ^ int(hashes[j])).bit_count() <= bits
    ]
    assert near_pairs(hashes, bits).tolist() == [list(pair) for pair in slow]
    assert len(slow) == ((flips > 0) & (flips <= bits)).sum()


def test_groups_are_linked_by_pairs_and_equal_hashes_are_one():
    base = 0b1111_0000
    chain = [base, base ^ 0b11, base ^ 0b1111, 1 << 60, base]  # each link two bits
    groups = near_groups(np.array([*chain, 1 << 60], np.uint64), bits=2)
    assert groups[0] == groups[1] == groups[2] == groups[4]
    assert groups[3] == groups[5] != groups[0]
    apart = near_groups(np.array(chain, np.uint64), bits=1)
    assert len(set(apart.tolist())) == 4


def test_no_image_and_one():
    assert near_groups(np.zeros(0, np.uint64), 4).tolist() == []
    assert near_groups(np.array([7], np.uint64), 4).tolist() == [0]
