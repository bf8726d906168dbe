"""Branches: as published, and as the recursion makes them branch by branch."""

import math
from collections import Counter

import numpy as np
import pytest

from nicheclip.synthetic.branching import Branching, grow
from nicheclip.synthetic.fungi import grow_stage

# --- branching ---


def lengths(branches):
    return np.hypot(
        branches.segments[:, 2] - branches.segments[:, 0],
        branches.segments[:, 3] - branches.segments[:, 1],
    )


def branch_by_branch(rng, length, width, depth, initial):
    """The recursion as it is told in words: (drawn length, width) of every branch."""
    if depth == 0 or length < 0.005:
        return []
    drawn = 0.7 * length
    found = [(drawn, width)]
    children = rng.integers(3, 6)
    child = (drawn * rng.uniform(0.4, 0.6), width * rng.uniform(0.6, 1))
    for _ in range(children):
        found += branch_by_branch(rng, *child, depth - 1, 0)
    for _ in range(initial):
        found += branch_by_branch(rng, drawn, width, depth - 1, 0)
    return found


def test_trunks_split_as_published():
    branching = Branching(length=0.2, width=2, depth=2, initial_branches=0)
    origins = np.random.default_rng(0).uniform(0.2, 0.8, (2000, 2))
    branches = grow(origins, branching, np.random.default_rng(1))
    trunk, twig = branches.level == 0, branches.level == 1
    assert np.array_equal(branches.segments[trunk, :2], origins)
    assert lengths(branches)[trunk] == pytest.approx(0.14)
    assert set(np.bincount(branches.structure[twig])) == {3, 4, 5}
    assert twig.sum() / trunk.sum() == pytest.approx(4, abs=0.1)

    ratio = lengths(branches)[twig] / 0.14
    assert ratio.min() >= 0.28 - 1e-9
    assert ratio.max() <= 0.42 + 1e-9
    assert ratio.mean() == pytest.approx(0.35, abs=0.003)
    width_ratio = branches.widths[twig] / 2
    assert width_ratio.min() >= 0.6
    assert width_ratio.max() <= 1.0
    assert width_ratio.mean() == pytest.approx(0.8, abs=0.01)

    ends = branches.segments[trunk, 2:][branches.structure[twig]]
    assert np.array_equal(branches.segments[twig, :2], ends)
    heading = branches.segments[twig, 2:] - branches.segments[twig, :2]
    angle = np.arctan2(heading[:, 1], heading[:, 0]) % (2 * math.pi)
    quarters = np.histogram(angle, bins=4, range=(0, 2 * math.pi))[0] / len(angle)
    assert quarters == pytest.approx(0.25, abs=0.02)


def test_siblings_share_length_and_width():
    branching = Branching(length=0.2, width=2, depth=2, initial_branches=0)
    branches = grow(np.full((50, 2), 0.5), branching, np.random.default_rng(0))
    twig = branches.level == 1
    for structure in range(50):
        family = twig & (branches.structure == structure)
        assert len(set(branches.widths[family])) == 1
        assert np.ptp(lengths(branches)[family]) < 1e-12


def test_initial_branches_start_at_the_centre_one_level_down():
    branching = Branching(length=0.06, width=2, depth=2, initial_branches=4)
    branches = grow(np.array([[0.5, 0.5]]), branching, np.random.default_rng(0))
    at_centre = (branches.segments[:, :2] == 0.5).all(axis=1)
    assert Counter(branches.level[at_centre].tolist()) == {0: 1, 1: 4}
    assert sorted(lengths(branches)[at_centre]) == pytest.approx([0.0294] * 4 + [0.042])
    assert branches.widths[at_centre].tolist() == [2] * 5
    assert branches.level.max() == 1  # with D = 2 they have no sub-branches


def test_growth_stops_at_the_shortest_length():
    branching = Branching(length=0.2, width=2, depth=10, initial_branches=14)
    branches = grow(np.full((10, 2), 0.5), branching, np.random.default_rng(0))
    assert lengths(branches).min() >= 0.7 * 0.005
    # 0.2 x 0.42^4 = 0.0062 may still start, 0.2 x 0.42^5 = 0.0026 may not.
    assert branches.level.max() == 4
    short = Branching(length=0.0049, width=2, depth=10, initial_branches=14)
    assert len(grow(np.full((10, 2), 0.5), short, np.random.default_rng(0)).widths) == 0


def test_hyphae_have_about_410_branches():
    # Each: a trunk with 4 and 16 below it, and 4 initial branches with 4 below each: 41.
    counts = [
        len(grow_stage("hyphae", np.random.default_rng(seed))[0].branches.widths)
        for seed in range(100)
    ]
    assert np.mean(counts) == pytest.approx(410, rel=0.02)


def test_mycelium_agrees_with_the_recursion_branch_by_branch():
    rng = np.random.default_rng(0)
    told = [
        np.array([row for _ in range(10) for row in branch_by_branch(rng, 0.2, 2, 10, 14)])
        for _ in range(12)
    ]
    grown = [grow_stage("mycelium", np.random.default_rng(seed))[0].branches for seed in range(60)]
    mean_count = np.mean([len(branches.widths) for branches in grown])
    assert mean_count == pytest.approx(10_600, rel=0.05)
    assert mean_count == pytest.approx(np.mean([len(rows) for rows in told]), rel=0.03)
    mean_length = np.mean([lengths(branches).sum() for branches in grown])
    assert mean_length == pytest.approx(np.mean([rows[:, 0].sum() for rows in told]), rel=0.03)
    mean_area = np.mean([(lengths(branches) * branches.widths).sum() for branches in grown])
    assert mean_area == pytest.approx(np.mean([rows.prod(axis=1).sum() for rows in told]), rel=0.03)
