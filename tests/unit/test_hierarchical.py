"""Hierarchical: probabilities added up by taxon, distance in the tree, consistency."""

import numpy as np
import pytest

from nicheclip.config.evaluation import EvaluationConfig
from nicheclip.config.text_sets import TemplateSet, text_sets
from nicheclip.evaluation.frame import read_cells
from nicheclip.evaluation.protocols import hierarchical as module
from nicheclip.evaluation.protocols.hierarchical import ancestor_distance, consistent, levels
from nicheclip.evaluation.text_sets import write_class_embeddings
from nicheclip.models.features import ImageFeatures, l2_normalise, write_features
from nicheclip.reporting.evaluation_table import evaluation_table
from nicheclip.reporting.table import rows_by_key
from nicheclip.runtime.errors import InputError
from small_evaluation import (
    SUBJECT,
    cell_file,
    class_table,
    embeddings_of,
    judge_one,
    write_catalog,
    write_classes,
)


def lineage(order, family, genus, species):
    return ["Animalia", "Arthropoda", "Insecta", order, family, genus, species]


TREE = class_table(
    {
        "a": lineage("Hymenoptera", "Apidae", "Apis", "mellifera"),
        "b": lineage("Hymenoptera", "Apidae", "Apis", "cerana"),
        "c": lineage("Hymenoptera", "Formicidae", "Formica", "rufa"),
        "d": lineage("Diptera", "Muscidae", "Musca", "domestica"),
        "e": ["Plantae", "", "", "", "", "Musca", "domestica"],  # a genus of the same name
    }
)


def test_taxa_of_one_name_differ_where_their_parents_do():
    by_rank = {level.rank: level for level in levels(TREE)}
    assert by_rank["kingdom"].taxon.tolist() == [0, 0, 0, 0, 1]
    assert by_rank["order"].taxon.tolist() == [1, 1, 1, 0, -1]
    genus = by_rank["genus"].taxon.tolist()
    assert genus[0] == genus[1] and genus[3] != genus[4]
    assert (by_rank["genus"].count, by_rank["species"].count) == (4, 5)


def test_a_taxon_wins_by_all_of_its_classes():
    genus = next(level for level in levels(TREE) if level.rank == "genus")
    family = next(level for level in levels(TREE) if level.rank == "family")
    # d is the likeliest class, a and b are one genus
    probabilities = np.array([[0.25, 0.25, 0.05, 0.4, 0.05], [0.1, 0.1, 0.1, 0.1, 0.6]])
    first, second = genus.chosen(probabilities, ["x", "y"])
    assert first == genus.taxon[0] and second == genus.taxon[4]
    # e has no family: its probability counts for none
    assert family.chosen(probabilities, ["x", "y"])[1] in family.taxon[:2]


def test_the_distance_to_the_common_ancestor_by_hand():
    truth = np.array([0, 0, 0, 0, 0])
    found = ancestor_distance(levels(TREE), truth, np.array([0, 1, 2, 3, 4]))
    # right, the genus, the order, the class Insecta, and no taxon at all
    assert found.tolist() == [0, 1, 3, 4, 7]
    genera = class_table({one: ["Fungi", "", "", "", "", "Amanita", ""] for one in "ab"})
    # two classes of one genus: the classes are one level below it
    assert ancestor_distance(levels(genera), np.array([0]), np.array([1])).tolist() == [1]


def test_taxa_that_contradict_each_other_are_not_consistent():
    ranks = [level for level in levels(TREE) if level.rank in ("order", "genus")]
    order, genus = ranks
    chosen = np.array(
        [
            [order.taxon[0], genus.taxon[1]],
            [order.taxon[0], genus.taxon[3]],  # Musca is no hymenopteran
            [order.taxon[0], genus.taxon[4]],  # the order of the plant is not known
        ]
    )
    assert consistent(ranks, chosen).tolist() == [True, False, True]


@pytest.fixture
def folder(tmp_path):
    """Nine judged images of a, b, c in turn; a and b are of one genus. b is taken for a."""
    catalog = write_catalog(tmp_path / "catalog.parquet", {"test": 9})
    names = ("kingdom", "family", "genus", "species")
    trees = {
        "a": ("Animalia", "Apidae", "Apis", "mellifera"),
        "b": ("Animalia", "Apidae", "Apis", "cerana"),
        "c": ("Animalia", "Felidae", "Felis", "catus"),
    }
    lineages = {key: dict(zip(names, one, strict=True)) for key, one in trees.items()}
    write_classes(tmp_path / "classes.parquet", lineages)
    there = tmp_path / "features" / SUBJECT.variant
    answers = [2 if c == "c" else 0 for c in catalog["class_id"]]
    features = l2_normalise(np.float32(np.eye(4)[answers]))
    write_features(
        there / "images.safetensors", ImageFeatures(features, catalog["image_id"].to_list())
    )
    texts = there / "texts/templates.photo.com.safetensors"
    write_class_embeddings(texts, embeddings_of(["a", "b", "c"], np.eye(4)[:3]), "key")
    return tmp_path


def test_a_cell_measures_each_rank_and_the_distance(folder, monkeypatch):
    cell = judge_one(folder, "hierarchical")
    by_rank = {
        one.facets["rank"]: one for one in cell.measures if one.name == "rank_accuracy_summed"
    }
    assert {rank: one.value for rank, one in by_rank.items()} == {
        "kingdom": 1,
        "family": 1,
        "genus": 1,
        "species": pytest.approx(2 / 3),
    }
    assert (by_rank["genus"].chance, by_rank["species"].chance) == (0.5, pytest.approx(1 / 3))
    assert cell.find("ancestor_distance").value == pytest.approx(1 / 3)
    assert cell.find("ancestor_distance_of_mistakes").value == 1
    assert cell.find("ancestor_distance_of_mistakes").n == 3
    assert cell.find("consistency").value == 1
    monkeypatch.setattr(module, "NUMBERS_AT_ONCE", 6)
    assert judge_one(folder, "hierarchical").measures == cell.measures


def test_its_rows_in_the_evaluations_table_and_its_config(folder):
    judge_one(folder, "hierarchical")
    frame = read_cells([cell_file(folder, "hierarchical", "metrics.json")])
    labels = [row["measure"] for row in rows_by_key(evaluation_table("t", frame, scale="demo"))]
    assert labels[0] == "rank_accuracy_summed, kingdom"
    assert labels[-1] == "ranks to the common ancestor, mistakes alone"
    one = EvaluationConfig(dataset="d", protocols=["hierarchical"])
    assert text_sets("hierarchical", one) == [TemplateSet(templates="photo", text_type="com")]


def test_classes_without_ranks_are_named(folder):
    write_classes(folder / "classes.parquet")
    with pytest.raises(InputError, match="no judged image of squares has a class with a rank"):
        judge_one(folder, "hierarchical")
