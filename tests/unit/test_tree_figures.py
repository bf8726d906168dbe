"""The tree figure and the distance figure."""

import warnings

import numpy as np
import pytest

from nicheclip.evaluation.bootstrap import Interval
from nicheclip.evaluation.distance_correlation import Estimate, judge_distances
from nicheclip.evaluation.tree_distance import measure_distances
from nicheclip.reporting import tree_figure as module
from nicheclip.reporting.distance_figure import (
    distance_figure,
    estimate_text,
    named_rank,
    tree_lines,
)
from nicheclip.reporting.figures import MOST_NAMED_CLASSES
from nicheclip.reporting.projection import t_sne
from nicheclip.reporting.style import save_figure
from nicheclip.reporting.tree_figure import tree_figure, tree_panels
from nicheclip.runtime.errors import InputError
from nicheclip.taxonomy.lineage import Lineage
from small_evaluation import class_table, image_id, unit_features


@pytest.fixture(autouse=True)
def no_warnings():
    """A missing glyph or a layout that does not fit is a warning in matplotlib."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def lineage(*names):
    return Lineage(*names, *[""] * (7 - len(names)))


LINEAGES = {
    "wolf": lineage("Animalia", "Chordata", "Mammalia", "Carnivora", "Canidae", "Canis", "lupus"),
    "coyote": lineage(
        "Animalia", "Chordata", "Mammalia", "Carnivora", "Canidae", "Canis", "latrans"
    ),
    "raven": lineage(
        "Animalia", "Chordata", "Aves", "Passeriformes", "Corvidae", "Corvus", "corax"
    ),
    "snail": lineage("Animalia", "Mollusca"),
    "moss": lineage("Plantae"),
}
IMAGES = {"wolf": 8, "coyote": 6, "raven": 5, "snail": 4, "moss": 3}


def labels_of(images):
    named = [class_id for class_id, count in images.items() for _ in range(count)]
    return {image_id(number): class_id for number, class_id in enumerate(named)}


def features_of(count, seed=0):
    return unit_features(np.random.default_rng(seed).normal(size=(count, 5)))


def test_panels_go_down_within_the_largest_taxon_and_skip_ranks_that_do_not_divide():
    panels = tree_panels(labels_of(IMAGES), LINEAGES, seed=0)
    assert [(p.rank, p.within, p.total) for p in panels] == [
        ("kingdom", "", 26),
        ("phylum", "Animalia", 23),
        ("class", "Chordata", 19),
        ("species", "Canis", 14),  # order, family and genus of the mammals are one each
    ]
    assert panels[1].taxa.count("Mollusca") == 4
    assert set(panels[3].taxa) == {"Canis lupus", "Canis latrans"}


def test_images_without_a_name_at_a_rank_stay_grey_in_its_panel_and_go_no_further():
    lineages = LINEAGES | {"snail": lineage("Animalia")}
    panels = {panel.rank: panel for panel in tree_panels(labels_of(IMAGES), lineages, seed=0)}
    assert "phylum" not in panels  # the only name at this rank is Chordata
    assert panels["class"].total == 19
    lineages |= {"raven": lineage("Animalia", "Mollusca")}
    panels = {panel.rank: panel for panel in tree_panels(labels_of(IMAGES), lineages, seed=0)}
    assert panels["phylum"].taxa.count("") == 4


def test_a_large_panel_is_a_sample_that_repeats(monkeypatch):
    monkeypatch.setattr(module, "MOST_IMAGES", 12)
    first, second = (tree_panels(labels_of(IMAGES), LINEAGES, seed=1)[0] for _ in range(2))
    assert first == second and len(first.image_ids) == len(first.taxa) == 12 and first.total == 26


def test_a_data_set_without_ranks_has_no_tree():
    with pytest.raises(InputError, match="at no rank"):
        tree_panels(labels_of({"rock": 12}), {"rock": Lineage()}, seed=0)


def test_t_sne_repeats_and_keeps_two_far_groups_apart():
    rng = np.random.default_rng(0)
    groups = np.repeat([[0.0, 0, 0], [9, 9, 9]], 15, axis=0)
    features = (groups + rng.normal(size=(30, 3))).astype(np.float32)
    points = t_sne(features)
    np.testing.assert_array_equal(points, t_sne(features))
    centres = points[:15].mean(axis=0), points[15:].mean(axis=0)
    spread = max(np.linalg.norm(points[:15] - centres[0], axis=1))
    assert np.linalg.norm(centres[0] - centres[1]) > 2 * spread


def test_the_tree_figure_names_the_largest_taxa_and_is_the_same_bytes_twice(tmp_path):
    few = {f"Plant{chr(97 + i)}us": i + 2 for i in range(8)}
    lineages = {name: lineage("Plantae", name) for name in few}
    models = {"before": features_of(44, 0), "after": features_of(44, 1)}
    panels = tree_panels(labels_of(few), lineages, seed=0)
    written = []
    for name in ("one", "two"):
        figure = tree_figure(models, panels, "t")
        written.append([path.read_bytes() for path in save_figure(figure, tmp_path / name)])
    assert written[0] == written[1]
    legend = figure.axes[-1].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == [
        *[f"Plant{chr(97 + i)}us ({i + 2})" for i in range(7, 1, -1)],
        "2 others (5)",
    ]
    assert legend.get_title().get_text() == "44 images"
    assert [axes.get_ylabel() for axes in figure.axes] == ["before", "after", ""]


def test_panels_fill_rows_of_up_to_four(tmp_path):
    panels = tree_panels(labels_of(IMAGES), LINEAGES, seed=0) * 2
    figure = tree_figure({"only": features_of(26)}, panels[:5], "t")
    headings = [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")]
    assert headings[:2] == ["kingdom", "phylum, in Animalia"] and headings[4] == "kingdom"
    assert len(figure.subfigs) == 2
    assert sum(axes.get_visible() for axes in figure.axes) == 10
    save_figure(figure, tmp_path / "figure")


def test_lines_of_the_tree_by_hand():
    lines = tree_lines([LINEAGES["wolf"], LINEAGES["coyote"], LINEAGES["moss"]])
    # two species hang on one genus between them, from there to the kingdom; moss runs straight
    assert [(6, 0), (7, 0)] in lines and [(6, 1), (7, 1)] in lines
    assert [(6, 0), (6, 1)] in lines and [(5, 0.5), (6, 0.5)] in lines
    assert [(0, 0.5), (1, 0.5)] in lines and [(0, 2), (1, 2)] in lines
    assert [(0, 0.5), (0, 2)] in lines
    assert len(lines) == 3 + 6 * 2 + 2


def test_rows_are_named_by_the_finest_rank_with_few_names():
    many = [lineage("Animalia", f"Phylum {i % 5}", f"Class {i}") for i in range(40)]
    assert named_rank(many) == "phylum"
    assert named_rank([lineage(f"K{i}", f"P{i}") for i in range(40)]) == "kingdom"


def distances_of(count, *names_of_models):
    names = {f"c{i:02}": ["Plantae", f"Ph{'abc'[i % 3]}", *[""] * 5] for i in range(count)}
    labels = {image_id(i): class_id for i, class_id in enumerate(names)}
    models = {name: features_of(count) for name in names_of_models or ("before", "after")}
    distances = measure_distances(models, labels, class_table(names), seed=0)
    return distances, judge_distances(distances, resamples=30, confidence=0.95, seed=0)


def test_the_distance_figure_is_the_same_bytes_twice(tmp_path):
    written = []
    for name in ("one", "two"):
        figure = distance_figure(*distances_of(40, "only"), "t")
        written.append([path.read_bytes() for path in save_figure(figure, tmp_path / name)])
    assert written[0] == written[1]


@pytest.mark.parametrize(("count", "each"), [(3, 1), (12, 4), (60, None)])
def test_rows_of_the_distance_figure_are_named_one_by_one_up_to_30_classes(count, each):
    assert count <= MOST_NAMED_CLASSES or each is None
    figure = distance_figure(*distances_of(count), "t")
    rows = [label.get_text() for label in figure.axes[1].get_yticklabels()]
    assert rows == [name for name in ("Pha", "Phb", "Phc") for _ in range(each or 1)]


def test_means_without_an_interval_are_hollow():
    def hollow(count):
        figure = distance_figure(*distances_of(count), "t")
        means = [axes for axes in figure.axes if axes.get_ylabel() == "mean cosine distance"]
        return [line for line in means[0].lines if line.get_markerfacecolor() == "white"]

    assert len(hollow(3)) == 1 and not hollow(60)


def test_the_figure_says_how_many_classes_were_sampled():
    distances, record = distances_of(3)
    record = record.model_copy(update={"classes_with_ranks": 9})
    assert "3 of 9 classes, 3 images" in distance_figure(distances, record, "t").get_suptitle()


def test_an_estimate_in_words():
    interval = Interval(low=0.3, high=0.52, confidence=0.95, method="bootstrap")
    assert estimate_text(Estimate(value=0.41, interval=interval)) == "0.41 (95%: 0.30 to 0.52)"
    below = Interval(low=-0.004, high=0.52, confidence=0.95, method="bootstrap")
    assert "0.00 to" in estimate_text(Estimate(value=0.3, interval=below)).split("(95%: ")[1][:7]
    assert estimate_text(Estimate(value=None, interval=None)) == "undefined"
    assert "too few" in estimate_text(Estimate(value=0.4, interval=None))
