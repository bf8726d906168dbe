"""Chains of parents, against the same walk step by step."""

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from nicheclip.taxonomy.providers.parents import ancestors, cyclic_rows, first_parents
from nicheclip.terms import RANKS

#: row numbers, -1 at a root, -2 for a parent that is not there
PARENTS = st.integers(1, 12).flatmap(
    lambda count: st.lists(st.integers(-2, count - 1), min_size=count, max_size=count)
)


def way_up(parents, row):
    """The rows above ``row``, nearest first, and what stands at the end: -1, -2 or a cycle."""
    way = []
    while (row := parents[row]) >= 0 and row not in way:
        way.append(row)
    return way, row


@given(PARENTS)
def test_rows_that_never_reach_a_root_are_cyclic(parents):
    expected = [row for row in range(len(parents)) if way_up(parents, row)[1] >= 0]
    assert cyclic_rows(np.array(parents)).tolist() == expected


@given(PARENTS, st.integers(1, 12))
def test_the_first_parent_is_the_first_row_of_the_way_that_is_kept(parents, kept):
    kept = min(kept, len(parents))
    found = first_parents(np.array(parents), kept)
    for row in range(kept):
        way, _ = way_up(parents, row)
        expected = -2 if parents[row] == -2 else next((one for one in way if one < kept), -1)
        assert found[row] == expected


@given(PARENTS, st.data())
def test_ancestors_are_the_nearest_of_each_rank(parents, data):
    rank = data.draw(st.lists(st.sampled_from([*RANKS, "clade"]), min_size=len(parents),
                              max_size=len(parents)))  # fmt: skip
    nearest, cyclic = ancestors(np.array(parents), pl.Series(rank))
    for row in set(range(len(parents))) - set(cyclic.tolist()):
        way = [row, *way_up(parents, row)[0]]
        lowest = RANKS.index(rank[row]) if rank[row] in RANKS else len(RANKS)
        for level, name in enumerate(RANKS):
            above = next((one for one in way if rank[one] == name), -1)
            assert nearest[row, level] == (above if level <= lowest else -1)
