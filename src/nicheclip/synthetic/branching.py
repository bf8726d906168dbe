"""Random branching: a trunk and initial branches that split until they are too short.

Each branch shrinks its length L to 0.7 L, is drawn, and ends in 3 to 5 sub-branches of length
L x U(0.4, 0.6) and width W x U(0.6, 1), each at an angle U(0, 2 pi). It does not start when its
length is below 0.005 or the depth is used up. Initial branches start where the trunk does, with
the trunk's drawn length, its width, and one level less. (FungalZSL's generator; equations 3 and 4
of arXiv 2502.19038 with alpha = 0.7 U(0.4, 0.6) and beta = U(0.6, 1).)
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SHORTEST_BRANCH = 0.005
SHRINKAGE = 0.7
LENGTH_RATIO = (0.4, 0.6)
WIDTH_RATIO = (0.6, 1.0)
SUB_BRANCHES = (3, 5)
MEAN_SUB_BRANCHES = 3.0

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Branching:
    """How a structure branches. Lengths in edges of the square, widths in points."""

    length: float
    """L0."""
    width: float
    """W0."""
    depth: int
    """D: levels, the trunk's included."""
    initial_branches: int
    """Branches that start at the centre beside the trunk."""
    poisson: bool = False
    """Poisson(3) sub-branches (the time-aligned model) instead of 3 to 5."""
    length_noise: float = 0.0
    """Standard deviation of a normal factor of mean 1 on each drawn length (time-aligned model)."""
    vigour: float = 1.0
    """A factor on the length that sub-branches inherit (time-aligned model)."""


@dataclass(frozen=True, eq=False)
class Branches:
    """Drawn branches, ordered by structure, then by level."""

    segments: Floats
    """[n, 4]: x0, y0, x1, y1."""
    widths: Floats
    """[n], points."""
    structure: Integers
    """[n]: which origin it grew from."""
    level: Integers
    """[n]: 0 for a trunk."""


@dataclass(frozen=True, eq=False)
class _Buds:
    """Branches that may start, all on one level."""

    start: Floats
    length: Floats
    width: Floats
    structure: Integers

    def select(self, rows: Integers) -> "_Buds":
        return _Buds(self.start[rows], self.length[rows], self.width[rows], self.structure[rows])

    def joined(self, other: "_Buds") -> "_Buds":
        return _Buds(
            np.concatenate([self.start, other.start]),
            np.concatenate([self.length, other.length]),
            np.concatenate([self.width, other.width]),
            np.concatenate([self.structure, other.structure]),
        )


def grow(origins: Floats, branching: Branching, rng: np.random.Generator) -> Branches:
    """Grow one structure from each of ``origins`` [n, 2]. All branches of a level grow at once."""
    count = len(origins)
    buds = _Buds(
        start=np.asarray(origins, dtype=float).reshape(count, 2),
        length=np.full(count, branching.length),
        width=np.full(count, branching.width),
        structure=np.arange(count),
    )
    levels: list[Branches] = []
    for level in range(branching.depth):
        buds = buds.select(np.flatnonzero(buds.length >= SHORTEST_BRANCH))
        if not len(buds.length):
            break
        drawn, end = _extend(buds, branching, rng)
        levels.append(
            Branches(
                segments=np.concatenate([buds.start, end], axis=1),
                widths=buds.width,
                structure=buds.structure,
                level=np.full(len(drawn), level),
            )
        )
        children = _split(buds, drawn, end, branching, rng)
        if level == 0:
            trunks = _Buds(buds.start, drawn, buds.width, buds.structure)
            initial = np.repeat(np.arange(len(drawn)), branching.initial_branches)
            children = children.joined(trunks.select(initial))
        buds = children
    return _by_structure(levels)


def _extend(buds: _Buds, branching: Branching, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """The drawn lengths and the end points of branches."""
    drawn = SHRINKAGE * buds.length
    if branching.length_noise:
        drawn = drawn * rng.normal(1.0, branching.length_noise, len(drawn))
    angle = rng.uniform(0, 2 * np.pi, len(drawn))
    end = buds.start + drawn[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    return drawn, end


def _split(
    parents: _Buds, drawn: Floats, end: Floats, branching: Branching, rng: np.random.Generator
) -> _Buds:
    """The sub-branches; siblings share one length and one width."""
    count = len(drawn)
    if branching.poisson:
        children = rng.poisson(MEAN_SUB_BRANCHES, count)
    else:
        children = rng.integers(SUB_BRANCHES[0], SUB_BRANCHES[1], count, endpoint=True)
    family = _Buds(
        start=end,
        length=drawn * rng.uniform(*LENGTH_RATIO, count) * branching.vigour,
        width=parents.width * rng.uniform(*WIDTH_RATIO, count),
        structure=parents.structure,
    )
    return family.select(np.repeat(np.arange(count), children))


def _by_structure(levels: list[Branches]) -> Branches:
    if not levels:
        nothing = np.zeros(0, dtype=np.int64)
        return Branches(np.zeros((0, 4)), np.zeros(0), nothing, nothing)
    structure = np.concatenate([part.structure for part in levels])
    order = np.argsort(structure, kind="stable")
    return Branches(
        segments=np.concatenate([part.segments for part in levels])[order],
        widths=np.concatenate([part.widths for part in levels])[order],
        structure=structure[order],
        level=np.concatenate([part.level for part in levels])[order],
    )
