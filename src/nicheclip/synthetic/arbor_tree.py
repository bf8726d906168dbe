"""The tree of the world `arbor`: a birth process with seven ranks, inherited looks, and names.

Lineages split one after the other. When as many of them live as a rank shall have taxa, each
becomes a taxon of that rank, so ranks nest by construction. A lineage's rate of splitting is the
time since it last split, which keeps the tree from being as lopsided as a pure Yule process.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nicheclip.config.worlds import ArborWorld
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.seeding import generator
from nicheclip.synthetic.arbor_names import EnglishNames, LatinNames
from nicheclip.synthetic.arbor_traits import PLANS_OF_KINGDOM, Traits, differ, inherit
from nicheclip.terms import RANKS

KINGDOMS = 3
SPECIES_PER_GENUS = 3  # mean

Integers = NDArray[np.int64]
Standing = Literal["seen", "rare", "held-out genus"]


@dataclass(frozen=True)
class Species:
    """A leaf of the tree."""

    lineage: Mapping[str, str]
    """Names by rank; the epithet alone under ``species``."""
    common: str
    traits: Traits
    taxa: tuple[int, ...]
    """The number, within its rank, of its taxon at each rank."""

    @property
    def binomial(self) -> str:
        """Genus and epithet."""
        return f"{self.lineage['genus']} {self.lineage['species']}"

    @property
    def label(self) -> str:
        """The class id: the binomial in lower case, joined by an underscore."""
        return self.binomial.lower().replace(" ", "_")


@dataclass(frozen=True)
class Member:
    """A species in a world."""

    species: Species
    standing: Standing
    """``seen`` species have training images; the others have images in the test split only."""
    images: Mapping[Literal["train", "val", "test"], int]
    """How many images each split has."""


def taxa_per_rank(species: int) -> list[int]:
    """How many taxa each rank has: few kingdoms, ever more below, ``species`` at last."""
    genera = max(KINGDOMS, species // SPECIES_PER_GENUS)
    steps = RANKS.index("genus")
    counts = [round(KINGDOMS * (genera / KINGDOMS) ** (i / steps)) for i in range(steps)]
    return [*counts, genera, species]


@lru_cache(maxsize=4)
def grow_tree(species: int, *, seed: int) -> tuple[Species, ...]:
    """The tree with ``species`` leaves, relatives side by side."""
    parents = birth_process(taxa_per_rank(species), generator(seed, "arbor", "births"))
    taxa = sorted(tuple(row) for row in _ancestors(parents).tolist())
    traits = _inherited(parents, generator(seed, "arbor", "traits"))
    names = _latin(parents, generator(seed, "arbor", "latin names"))
    english = EnglishNames(generator(seed, "arbor", "common names"))
    order = RANKS.index("order")
    nouns = [english.noun(one.plan) for one in traits[order]]
    return tuple(
        Species(
            lineage={rank: names[i][row[i]] for i, rank in enumerate(RANKS)},
            common=english.species(traits[-1][row[-1]], nouns[row[order]]),
            traits=traits[-1][row[-1]],
            taxa=row,
        )
        for row in taxa
    )


def birth_process(counts: Sequence[int], rng: np.random.Generator) -> list[Integers]:
    """Grow a tree that has ``counts[i]`` taxa at the i-th rank.

    Returns:
        For each rank the number of each taxon's parent at the rank above (0 at the first).
    """
    parent = np.zeros(1, dtype=np.int64)
    born = np.zeros(1)
    parents = []
    for count in counts:
        while len(parent) < count:
            age = len(parent) - born
            split = int(rng.choice(len(parent), p=age / age.sum()))
            born[split] = len(parent)
            born = np.append(born, len(parent))
            parent = np.append(parent, parent[split])
        parents.append(parent)
        parent = np.arange(count)
    return parents


def populate(world: ArborWorld, *, seed: int) -> list[Member]:
    """The species of ``world``, which of them are held out, and how many images each has.

    The tree depends on ``seed`` and the number of species only, and what is held out on these and
    on the shares held out; so a world and its field twin have the same species.

    Raises:
        InputError: more is held out than the tree has to give.
    """
    tree = grow_tree(world.species, seed=seed)
    rng = generator(seed, "arbor", "held out")
    genera = _hold_out_genera(tree, world.held_out_genera, rng)
    rare = _hold_out_species(tree, world.rare_species, genera, rng)
    standing: list[Standing] = [
        "held-out genus" if one.taxa[-2] in genera else "rare" if i in rare else "seen"
        for i, one in enumerate(tree)
    ]
    seen = [i for i, one in enumerate(standing) if one == "seen"]
    places = generator(seed, "arbor", "tail").permutation(seen).tolist()
    tail = long_tail(len(seen), mean=world.images_per_species.train, exponent=world.tail)
    train = dict(zip(places, tail, strict=True))
    val, test = world.images_per_species.val, world.images_per_species.test
    return [
        Member(
            species,
            standing[i],
            {"train": train.get(i, 0), "val": val if i in train else 0, "test": test},
        )
        for i, species in enumerate(tree)
    ]


def long_tail(classes: int, *, mean: int, exponent: float) -> list[int]:
    """Images of each class, most first: in proportion to 1 / place ** ``exponent`` (Zipf's law).

    Each class has at least one, and all together ``classes * mean``.
    """
    weights = 1 / np.arange(1, classes + 1) ** exponent
    shares = classes * (mean - 1) * weights / weights.sum()
    counts = np.floor(shares).astype(np.int64)
    left = classes * (mean - 1) - int(counts.sum())
    counts[np.argsort(counts - shares, kind="stable")[:left]] += 1
    return [int(count) for count in 1 + np.sort(counts)[::-1]]


def _hold_out_genera(
    tree: Sequence[Species], share: float, rng: np.random.Generator
) -> frozenset[int]:
    """Genera none of which is the last of its family that trains."""
    family_of = {one.taxa[-2]: one.taxa[-3] for one in tree}
    return _choose(family_of, round(share * len(family_of)), "held_out_genera", rng)


def _hold_out_species(
    tree: Sequence[Species], share: float, genera: frozenset[int], rng: np.random.Generator
) -> frozenset[int]:
    """Species of genera that train, none of which is the last of its genus that does."""
    genus_of = {i: one.taxa[-2] for i, one in enumerate(tree) if one.taxa[-2] not in genera}
    return _choose(genus_of, round(share * len(tree)), "rare_species", rng)


def _choose(
    group_of: Mapping[int, int], count: int, name: str, rng: np.random.Generator
) -> frozenset[int]:
    """``count`` of the keys, so that of each group one key at least is left."""
    left = Counter(group_of.values())
    chosen: list[int] = []
    for key in rng.permutation(sorted(group_of)).tolist():
        if len(chosen) < count and left[group_of[key]] > 1:
            left[group_of[key]] -= 1
            chosen.append(key)
    if len(chosen) < count:
        raise InputError(
            f"world arbor: {name} asks for {count} of {len(group_of)}, but only {len(chosen)} have "
            f"a close relative to be told by. Lower {name} or raise species."
        )
    return frozenset(chosen)


def _ancestors(parents: Sequence[Integers]) -> Integers:
    """[species, ranks]: the taxon of each species at each rank."""
    columns = [np.arange(len(parents[-1]))]
    for parent in reversed(parents[1:]):
        columns.append(parent[columns[-1]])
    return np.stack(columns[::-1], axis=1)


def _kingdoms(parents: Sequence[Integers]) -> list[Integers]:
    """The kingdom of every taxon, by rank."""
    kingdoms = [np.arange(len(parents[0]))]
    for parent in parents[1:]:
        kingdoms.append(kingdoms[-1][parent])
    return kingdoms


def _inherited(parents: Sequence[Integers], rng: np.random.Generator) -> list[list[Traits]]:
    """The traits of every taxon, by rank. No two species bear the same marks."""
    kingdoms = _kingdoms(parents)
    above = [Traits(plan=PLANS_OF_KINGDOM[0][0])]
    by_rank: list[list[Traits]] = []
    for rank, (parent, kingdom) in enumerate(zip(parents, kingdoms, strict=True)):
        above = [
            inherit(above[p], rank, k, rng)
            for p, k in zip(parent.tolist(), kingdom.tolist(), strict=True)
        ]
        by_rank.append(above)
    by_rank[-1] = _told_apart(above, rng)
    return by_rank


def _told_apart(species: Sequence[Traits], rng: np.random.Generator) -> list[Traits]:
    known = set()
    apart = []
    for traits in species:
        while traits.marks in known:
            traits = differ(traits, rng)
        known.add(traits.marks)
        apart.append(traits)
    return apart


def _latin(parents: Sequence[Integers], rng: np.random.Generator) -> list[list[str]]:
    """The name of every taxon, by rank."""
    latin = LatinNames(rng)
    kingdoms = _kingdoms(parents)
    names = [
        [latin.taxon(rank, kingdom) for kingdom in of_rank.tolist()]
        for rank, of_rank in zip(RANKS[:4], kingdoms[:4], strict=True)
    ]
    genera = [""] * len(parents[5])
    families = []
    for family, kingdom in enumerate(kingdoms[4].tolist()):
        members = np.flatnonzero(parents[5] == family)
        name, of_family = latin.genera(len(members), kingdom)
        families.append(name)
        for member, genus in zip(members.tolist(), of_family, strict=True):
            genera[member] = genus
    epithets = [latin.epithet(genera[genus]) for genus in parents[6].tolist()]
    return [*names, families, genera, epithets]
