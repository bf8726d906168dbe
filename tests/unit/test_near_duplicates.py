import numpy as np
import pytest

from nicheclip.data import near_duplicates, near_pairs


def pairs_of(hashes, bits, spool):
    found = near_pairs.near_pairs(lambda: [hashes[:9], hashes[9:]], len(hashes), bits, spool)
    return found.tolist()


def groups_of(hashes, bits, spool):
    """The number of each image's group, or None where it stands alone."""
    hashes = np.array(hashes, np.uint64)
    rows = np.arange(len(hashes))
    pieces = [(rows[:3], hashes[:3]), (rows[3:], hashes[3:])]
    groups = near_duplicates.near_groups(lambda: pieces, len(hashes), bits, spool)
    numbers = dict(zip(groups.rows.tolist(), groups.numbers.tolist(), strict=True))
    assert set(numbers.values()) == set(range(groups.count))
    return [numbers.get(row) for row in range(len(hashes))]


def hashes_with_twins(n, flips, seed=0):
    """``n`` random hashes, and for each a twin with so many other bits."""
    rng = np.random.default_rng(seed)
    plain = rng.integers(0, 2**64, n, np.uint64, endpoint=False)
    twins = plain.copy()
    for row, count in enumerate(flips):
        for bit in rng.choice(64, count, replace=False):
            twins[row] ^= np.uint64(1) << np.uint64(bit)
    return np.concatenate([plain, twins])


@pytest.mark.parametrize("size", [near_pairs.HASHES_OF_A_BUCKET, 10])
@pytest.mark.parametrize("bits", [0, 1, 4, 7])
def test_pairs_are_those_of_comparing_all(bits, size, tmp_path, monkeypatch):
    monkeypatch.setattr(near_pairs, "HASHES_OF_A_BUCKET", size)
    flips = np.arange(40) % 10
    hashes = np.unique(hashes_with_twins(40, flips))
    slow = [
        [int(one), int(other)]
        for i, one in enumerate(hashes)
        for other in hashes[i + 1 :]
        if (int(one) ^ int(other)).bit_count() <= bits
    ]
    shuffled = np.random.default_rng(1).permutation(hashes)
    assert pairs_of(shuffled, bits, tmp_path) == slow
    assert len(slow) == ((flips > 0) & (flips <= bits)).sum()


def test_groups_are_linked_by_pairs_and_equal_hashes_are_one(tmp_path):
    base = 0b1111_0000
    chain = [base, base ^ 0b11, base ^ 0b1111, 1 << 60, base]  # each link two bits
    groups = groups_of([*chain, 1 << 60, 0b111 << 40], 2, tmp_path)
    assert groups[0] == groups[1] == groups[2] == groups[4]
    assert groups[3] == groups[5] != groups[0]
    assert groups[6] is None
    assert groups_of(chain, 1, tmp_path) == [0, None, None, None, 0]


def test_no_image_and_one(tmp_path):
    assert groups_of([], 4, tmp_path) == []
    assert groups_of([7], 4, tmp_path) == [None]
