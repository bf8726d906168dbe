"""The world arbor: its tree, names, looks and held-out species."""

import re
from collections import Counter, defaultdict
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.stats import spearmanr

from acquired_files import acquire_and_curate
from nicheclip.config.data import DatasetConfig
from nicheclip.config.worlds import ArborWorld
from nicheclip.runtime.errors import InputError
from nicheclip.schemas import CATALOG, CLASSES, read_table
from nicheclip.synthetic.arbor_names import ENDINGS, NOUNS
from nicheclip.synthetic.arbor_traits import (
    CHOICES,
    LIMBS,
    MUTATION,
    PLANS_OF_KINGDOM,
    PROPORTIONS,
    STEP,
    Traits,
    inherit,
)
from nicheclip.synthetic.arbor_tree import (
    birth_process,
    grow_tree,
    long_tail,
    populate,
    taxa_per_rank,
)
from nicheclip.terms import RANKS

SMALL = {"train": 3, "val": 1, "test": 2}


def world(**changes):
    settings = {"name": "arbor", "size": 32, "species": 24, "images_per_species": SMALL}
    settings |= {"rare_species": 0.1, "held_out_genera": 0.1}
    return ArborWorld.model_validate(settings | changes)


# --- the tree ---


def test_ranks_have_ever_more_taxa():
    assert taxa_per_rank(96) == [3, 5, 8, 12, 20, 32, 96]
    assert taxa_per_rank(12) == [3, 3, 3, 4, 4, 4, 12]
    for species in (12, 48, 500, 2000, 5000):
        counts = taxa_per_rank(species)
        assert counts == sorted(counts)
        assert (counts[0], counts[-1], len(counts)) == (3, species, 7)


@settings(max_examples=20, deadline=None)
@given(st.integers(12, 150), st.integers(0, 1000))
def test_every_taxon_has_a_parent_and_a_descendant(species, seed):
    counts = taxa_per_rank(species)
    parents = birth_process(counts, np.random.default_rng(seed))
    assert [len(parent) for parent in parents] == counts
    for parent, above in zip(parents[1:], counts[:-1], strict=True):
        assert set(parent.tolist()) == set(range(above))


def test_old_lineages_split_first():
    # of two lineages born together the one that splits leaves the other the older
    sizes = [
        np.bincount(birth_process([2, 16], np.random.default_rng(seed))[1]).min()
        for seed in range(300)
    ]
    # a Yule process makes every division equally probable: a mean smaller half of about 4.3
    assert np.mean(sizes) > 4.9


@pytest.mark.parametrize("species", [12, 96, 700])
def test_names_nest_and_are_unique(species):
    tree = grow_tree(species, seed=3)
    assert len(tree) == species
    assert all(list(one.lineage) == list(RANKS) for one in tree)
    parents = defaultdict(set)
    for one in tree:
        for above, below in pairwise(RANKS):
            parents[below, one.lineage[below]].add(one.lineage[above])
    assert all(len(above) == 1 for above in parents.values())
    names = {(rank, name) for one in tree for rank, name in one.lineage.items()}
    assert len(names) == sum(taxa_per_rank(species))  # one for each taxon
    assert len({name.lower() for _, name in names}) == len(names)  # none at two ranks
    for column in ("binomial", "label", "common"):
        assert len({getattr(one, column) for one in tree}) == species


def test_names_are_pronounceable_and_end_as_the_codes_have_it():
    for one in grow_tree(400, seed=1):
        styles = [style for style in ENDINGS if one.lineage["kingdom"].endswith(style["kingdom"])]
        assert len(styles) == 1
        assert all(one.lineage[rank].endswith(end) for rank, end in styles[0].items())
        for rank, name in one.lineage.items():
            assert re.fullmatch(r"[a-z]+" if rank == "species" else r"[A-Z][a-z]+", name)
            assert not re.search(r"[^aeiouy]{4}|[aeiou]{4}", name.lower())
        genus, epithet = one.binomial.split()
        if genus.endswith("um"):
            assert not re.search(r"(us|osa|ata|ina|ica|ensis)$", epithet)
        if genus.endswith("us"):
            assert not re.search(r"(um|osa|ata|ina|ica)$", epithet)


def test_a_family_is_called_after_one_of_its_genera():
    genera = defaultdict(set)
    for one in grow_tree(200, seed=0):
        genera[one.lineage["family"]].add(one.lineage["genus"])
    for family, members in genera.items():
        stem = re.sub(r"(idae|aceae)$", "", family)
        assert any(re.sub(r"(ia|us|um|is|a)$", "", genus) == stem for genus in members)


def test_the_same_seed_grows_the_same_tree_and_another_does_not():
    tree = grow_tree(48, seed=5)
    grow_tree.cache_clear()
    assert grow_tree(48, seed=5) == tree
    other = grow_tree(48, seed=6)
    assert not {one.binomial for one in tree} & {one.binomial for one in other}


def ranks_between(one, other):
    """How many ranks separate two species."""
    return sum(one.lineage[rank] != other.lineage[rank] for rank in RANKS)


# --- looks ---


def test_the_tables_have_all_ranks_and_plans():
    assert all(len(row) == len(RANKS) for row in (*MUTATION.values(), STEP))
    assert set(MUTATION) == {"plan", *CHOICES}
    plans = [plan for of_kingdom in PLANS_OF_KINGDOM for plan in of_kingdom]
    assert sorted(plans) == sorted(LIMBS) == sorted(NOUNS)


def test_mutation_rates_are_those_of_the_table():
    parent, rng = Traits(), np.random.default_rng(0)
    family = [inherit(parent, RANKS.index("family"), 0, rng) for _ in range(4000)]
    assert {one.plan for one in family} == {"crawler"}
    for name in ("habitat", "texture", "pattern", "colour"):
        share = np.mean([getattr(one, name) != getattr(parent, name) for one in family])
        assert share == pytest.approx(MUTATION[name][4], abs=0.03)
    steps = np.array([[getattr(one, name) - 0.5 for name in PROPORTIONS] for one in family])
    assert np.abs(steps).max() <= 0.5
    assert steps.std() == pytest.approx(STEP[4], rel=0.05)
    assert all(one.colour != one.accent for one in family)


def test_limbs_run_from_the_fewest_to_the_most():
    assert [Traits(plan="star", limb_number=x).limbs for x in (0.0, 0.5, 1.0)] == [4, 6, 9]


def unlikeness(one, other):
    """Gower's distance: the mean over traits of 0 or 1, or of a proportion's difference."""
    kinds = [getattr(one, name) != getattr(other, name) for name in ("plan", *CHOICES)]
    return np.mean(kinds + [abs(getattr(one, n) - getattr(other, n)) for n in PROPORTIONS])


@pytest.mark.parametrize("seed", range(4))
def test_relatives_look_alike_and_the_more_so_the_closer(seed):
    tree = grow_tree(150, seed=seed)
    pairs = list(combinations(tree, 2))
    far = np.array([ranks_between(a, b) for a, b in pairs])
    unlike = np.array([unlikeness(a.traits, b.traits) for a, b in pairs])
    assert spearmanr(far, unlike).statistic > 0.25
    means = [unlike[far == distance].mean() for distance in (1, 2, 4, 7)]
    assert means == sorted(means)
    assert means[0] < 0.5 * means[-1]


def test_species_are_told_apart_by_their_bodies():
    tree = grow_tree(5000, seed=0)  # the most that the config allows
    assert len({one.traits.marks for one in tree}) == 5000
    assert len({one.common for one in tree}) == 5000
    orders = defaultdict(set)
    for one in tree:
        orders[one.lineage["order"]].add(one.traits.plan)
    assert all(len(plans) == 1 for plans in orders.values())


def test_common_names_tell_the_truth_but_not_all_of_it():
    words = Counter()
    tree = grow_tree(300, seed=2)
    for one in tree:
        traits = one.traits
        assert any(one.common.endswith(noun) for noun in NOUNS[traits.plan])
        said = set(re.split("[ -]", one.common))
        for names, own in (
            (CHOICES["pattern"], traits.pattern),
            (CHOICES["texture"], traits.texture),
            (CHOICES["habitat"], traits.habitat),
        ):
            assert said & set(names) <= {own}
        assert said & set(CHOICES["colour"]) <= {traits.colour, traits.accent}
        words.update(said)
    assert words["spotted"] < sum(one.traits.pattern == "spotted" for one in tree)
    assert all(words[habitat] > 1 for habitat in CHOICES["habitat"])


# --- who is in the world ---


@pytest.mark.parametrize("exponent", [0.0, 0.7, 1.5])
def test_the_tail_follows_zipf(exponent):
    counts = long_tail(100, mean=50, exponent=exponent)
    assert sum(counts) == 5000
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] >= 1
    # what exceeds the one that each has is in proportion to k ** -exponent
    assert (counts[0] - 1) / (counts[9] - 1) == pytest.approx(10**exponent, rel=0.03)


def test_a_tail_of_ones():
    assert long_tail(5, mean=1, exponent=2) == [1] * 5
    assert long_tail(3, mean=2, exponent=0) == [2, 2, 2]


@pytest.mark.parametrize("seed", range(5))
def test_what_is_held_out_never_trains_but_has_a_relative_that_does(seed):
    members = populate(world(species=96, tail=1.0), seed=seed)
    standing = Counter(member.standing for member in members)
    assert standing["rare"] == 10
    by = defaultdict(lambda: defaultdict(set))
    for member in members:
        if member.standing == "seen":
            assert member.images["train"] >= 1
        else:
            assert (member.images["train"], member.images["val"]) == (0, 0)
        assert member.images["test"] == 2
        for rank in ("family", "genus"):
            by[rank][member.species.lineage[rank]].add(member.standing)
    held_out = [genus for genus, seen in by["genus"].items() if "held-out genus" in seen]
    assert len(held_out) == 3  # a tenth of 32
    assert all(by["genus"][genus] == {"held-out genus"} for genus in held_out)
    for member in members:
        if member.standing == "rare":
            assert "seen" in by["genus"][member.species.lineage["genus"]]
        assert "seen" in by["family"][member.species.lineage["family"]]


def test_all_species_train_where_nothing_is_held_out():
    members = populate(world(rare_species=0, held_out_genera=0), seed=0)
    assert {member.standing for member in members} == {"seen"}
    assert sum(member.images["train"] for member in members) == 24 * 3


@pytest.mark.parametrize("name", ["rare_species", "held_out_genera"])
def test_holding_out_too_much_is_an_error(name):
    with pytest.raises(InputError, match=f"{name} asks for .* Lower {name} or raise species"):
        populate(world(**{name: 0.9}), seed=0)


def test_hash_splits_would_train_on_what_is_held_out():
    source = {"kind": "synthetic", "world": world().model_dump()}
    with pytest.raises(ValidationError, match="method: given"):
        DatasetConfig.model_validate({"source": source})


def test_the_world_is_a_source_with_all_ranks(tmp_path):
    config = {
        "source": {"kind": "synthetic", "world": world().model_dump()},
        "split": {"method": "given"},
    }
    acquire_and_curate(tmp_path, DatasetConfig.model_validate(config), name="arbor")
    catalog, classes = tmp_path / "catalog.parquet", tmp_path / "classes.parquet"
    members = {member.species.label: member for member in populate(world(), seed=0)}
    rows = read_table(classes, CLASSES).to_pylist()
    assert {row["class_id"] for row in rows} == set(members)
    for row in rows:
        species = members[row["class_id"]].species
        assert (row["name"], row["common"]) == (species.binomial, species.common)
        assert {rank: row[rank] for rank in RANKS} == dict(species.lineage)
    # the classes that train are the seen ones: what an evaluation needs to know
    table = read_table(catalog, CATALOG)
    places = zip(table["class_id"].to_pylist(), table["split"].to_pylist(), strict=True)
    trained = {label for label, split in places if split == "train"}
    assert trained == {label for label, one in members.items() if one.standing == "seen"}
