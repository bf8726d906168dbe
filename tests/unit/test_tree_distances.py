"""Tree distance, embedding distance, and their correlation over classes."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr

from nicheclip.evaluation.bootstrap import class_weights
from nicheclip.evaluation.distance_correlation import (
    DistanceRecord,
    judge_distances,
    rank_correlation,
)
from nicheclip.evaluation.records import read_record, write_record
from nicheclip.evaluation.tree_distance import (
    ClassDistances,
    embedding_distances,
    measure_distances,
    tree_distances,
)
from nicheclip.runtime.errors import InputError
from nicheclip.taxonomy.lineage import Lineage
from nicheclip.terms import RANKS
from small_evaluation import class_table, image_id, unit_features

WOLF = ["Animalia", "Chordata", "Mammalia", "Carnivora", "Canidae", "Canis", "lupus"]


def between(first, second):
    return tree_distances([Lineage(*first), Lineage(*second)])[0, 1]


@pytest.mark.parametrize(
    ("other", "distance"),
    [
        ("Animalia Chordata Mammalia Carnivora Canidae Canis lupus", 0),
        ("Animalia Chordata Mammalia Carnivora Canidae Canis latrans", 1),
        ("Animalia Chordata Mammalia Carnivora Canidae Vulpes vulpes", 2),
        ("Animalia Chordata Mammalia Carnivora Felidae Felis lupus", 3),
        ("Animalia Chordata Aves Passeriformes Corvidae Corvus corax", 5),
        ("Plantae Tracheophyta Magnoliopsida Fabales Fabaceae Lupinus albus", 7),
        # a homonym: the same genus in another kingdom
        ("Plantae Chordata Mammalia Carnivora Canidae Canis lupus", 7),
        # ranks left open contradict nothing above a common name, and are not common below it
        ("_ _ Mammalia Carnivora Canidae Vulpes vulpes", 2),
        ("Animalia Chordata _ Carnivora _ Canis lupus", 0),
        ("Animalia Chordata Mammalia Carnivora _ _ _", 3),
        ("Animalia Chordata Mammalia Carnivora Canidae _ lupus", 2),
        ("_ _ _ _ _ _ _", 7),
    ],
)
def test_tree_distance_by_hand(other, distance):
    names = [name.replace("_", "") for name in other.split()]
    assert between(WOLF, names) == between(names, WOLF) == distance


def test_a_class_is_at_distance_zero_of_itself_however_little_is_known():
    np.testing.assert_array_equal(np.diag(tree_distances([Lineage("Animalia"), Lineage()])), 0)


def test_classes_known_only_to_the_family_are_two_apart():
    assert between(WOLF[:5], WOLF[:5]) == 2


def test_embedding_distance_is_that_of_mean_features():
    images = unit_features(np.array([[1.0, 0], [0, 1], [0, -2], [1, 1]]))
    ids = [image_id(number) for number in range(4)]
    # the means point to 45, 270 and 45 degrees
    found = embedding_distances(
        images, [ids[0], ids[1], ids[2], ids[3]], ["a", "a", "b", "c"], ["a", "b", "c"]
    )
    far = 1 + np.sqrt(0.5)
    np.testing.assert_allclose(found, [[0, far, 0], [far, 0, far], [0, far, 0]], atol=1e-6)


def wide_classes(count):
    """``count`` classes, two to a genus; genera come and go through three phyla."""
    lineages = {}
    for number in range(count):
        genus = number // 2
        phylum = "xyz"[genus % 3]
        names = ["Animalia", *(f"{phylum}{rank}".capitalize() for rank in RANKS[1:5])]
        lineages[f"c{number:03}"] = [*names, f"Gen{chr(97 + genus)}us", f"sp{'ab'[number % 2]}us"]
    return class_table(lineages)


def wide_distances(count=24, noise=1.0, **options):
    classes = wide_classes(count)
    rng = np.random.default_rng(3)
    phyla = {p: rng.normal(size=8) for p in classes["phylum"].unique().sort()}
    rows = [phyla[p] for p in classes["phylum"]]
    models = {
        "noise": unit_features(rng.normal(size=(count, 8))),
        "phyla": unit_features(np.array(rows) + noise * rng.normal(size=(count, 8))),
    }
    labels = {image_id(i): class_id for i, class_id in enumerate(classes["class_id"])}
    return measure_distances(models, labels, classes, seed=0, **options)


def test_classes_stand_in_the_order_of_the_tree():
    found = wide_distances()
    phyla = [lineage.phylum for lineage in found.lineages]
    assert phyla == sorted(phyla) and len(found.class_ids) == found.images == 24
    # a class and its neighbour share the genus, so they are one rank apart
    assert found.tree[0, 1] == found.tree[22, 23] == 1 and found.tree[0, 23] == 6
    assert found.embedding["noise"].shape == (24, 24)


def test_classes_without_ranks_and_those_beyond_the_most_are_left_out():
    classes = pl.concat([wide_classes(6), class_table({"rock": [""] * 7})])
    labels = {image_id(i): class_id for i, class_id in enumerate(classes["class_id"])}
    models = {"one": unit_features(np.random.default_rng(0).normal(size=(7, 3)))}
    found = measure_distances(models, labels, classes, seed=0, most=4)
    again = measure_distances(models, labels, classes, seed=0, most=4)
    assert found.class_ids == again.class_ids and len(found.class_ids) == found.images == 4
    assert found.classes_with_ranks == 6
    assert [(one.key, one.reason) for one in found.excluded] == [("rock", "no ranks")]
    with pytest.raises(InputError, match="0 of 1 classes with images have ranks"):
        measure_distances(models, {image_id(6): "rock"}, classes, seed=0)


def test_rank_correlation_agrees_with_scipy_on_repeated_pairs():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=40).round(1), rng.integers(0, 5, 40)
    weights = rng.integers(0, 4, (6, 40)).astype(float)
    found = rank_correlation(first, second, weights)
    for row, times in zip(found, weights.astype(int), strict=True):
        expected = spearmanr(np.repeat(first, times), np.repeat(second, times)).statistic
        assert row == pytest.approx(expected, abs=1e-12)


def test_correlation_by_hand():
    # ranks of the tree 1, 2.5, 2.5 and of the embedding 1, 3, 2: 0.75 ** 0.5
    tree = np.array([[0, 1, 2], [1, 0, 2], [2, 2, 0]])
    embedding = np.array([[0, 0.1, 0.5], [0.1, 0, 0.3], [0.5, 0.3, 0]])
    lineages = [Lineage("Animalia")] * 3
    distances = ClassDistances(["a", "b", "c"], lineages, tree, {"one": embedding}, 9, 3, [])
    record = judge_distances(distances, resamples=20, confidence=0.9, seed=0)
    assert (record.classes, record.pairs, record.images) == (3, 3, 9)
    one = record.models[0]
    assert one.correlation.value == pytest.approx(0.75**0.5)
    assert one.correlation.interval is None and one.change is None  # three classes are too few
    assert [(s.tree_distance, s.pairs, s.classes) for s in one.steps] == [(1, 1, 2), (2, 2, 3)]
    assert [s.mean.value for s in one.steps] == pytest.approx([0.1, 0.4])


def test_the_interval_is_that_of_resampled_classes():
    """The same draws of classes, expanded into pairs one by one and ranked by SciPy."""
    found = wide_distances()
    record = judge_distances(found, resamples=50, confidence=0.8, seed=7)
    draws = np.concatenate(list(class_weights(24, 50, 7)))
    values = []
    for times in draws:
        rows = np.repeat(np.arange(24), times.astype(int))
        first, second = np.triu_indices(24, k=1)
        pairs = [(rows[a], rows[b]) for a, b in zip(first, second, strict=True)]
        kept = np.array([pair for pair in pairs if pair[0] != pair[1]]).T
        tree, embedding = found.tree[*kept], found.embedding["phyla"][*kept]
        values.append(spearmanr(embedding, tree).statistic)
    interval = record.models[1].correlation.interval
    expected = np.quantile(values, [0.1, 0.9])
    np.testing.assert_allclose([interval.low, interval.high], expected, atol=1e-12)


def test_a_model_that_knows_the_phyla_follows_the_tree_and_noise_does_not():
    found = wide_distances(noise=0.2)
    record = judge_distances(found, resamples=200, confidence=0.95, seed=0)
    noise, phyla = record.models
    assert noise.correlation.interval.low < 0 < noise.correlation.interval.high
    assert phyla.correlation.interval.low > 0.3
    change = phyla.correlation.value - noise.correlation.value
    assert phyla.change.value == pytest.approx(change)
    assert phyla.change.interval.low > 0
    assert record == judge_distances(found, resamples=200, confidence=0.95, seed=0)


def test_a_correlation_with_a_tree_of_equal_distances_is_undefined():
    tree = 7 - 7 * np.eye(3, dtype=int)
    embedding = {"one": np.array([[0, 1, 2], [1, 0, 1.5], [2, 1.5, 0]])}
    distances = ClassDistances(list("abc"), [Lineage()] * 3, tree, embedding, 3, 3, [])
    record = judge_distances(distances, resamples=20, confidence=0.9, seed=0)
    assert record.models[0].correlation.value is None


def test_the_record_comes_back_from_its_file(tmp_path):
    record = judge_distances(wide_distances(), resamples=20, confidence=0.95, seed=0)
    write_record(tmp_path / "distances.json", record)
    named = {"name": "distances", "stage": "report"}
    assert read_record(tmp_path / "distances.json", DistanceRecord, **named) == record
    (tmp_path / "distances.json").write_text('{"classes": 3}')
    with pytest.raises(InputError, match=r"expected distances that (?s:.*) report stage"):
        read_record(tmp_path / "distances.json", DistanceRecord, **named)
