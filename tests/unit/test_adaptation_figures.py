"""Figures of adaptation: what their numbers are, and that everything stands in them."""

import numpy as np
import pytest
import yaml

from nicheclip.config.table_figures import ScatterFigure
from nicheclip.config.workflow import parse_config
from nicheclip.models.class_scores import ClassScores
from nicheclip.models.pseudo_labels import PseudoLabels, read_pseudo_labels, write_pseudo_labels
from nicheclip.plan.adaptation_figures import adaptation_figures
from nicheclip.plan.figures import confusion_figures
from nicheclip.plan.plan import Plan
from nicheclip.reporting.adaptation_figures import (
    crop_weight_figure,
    hard_group,
    hard_group_figure,
    label_accuracy,
    pseudo_label_figure,
)
from nicheclip.reporting.figure_kinds.scatter import scatter_figure
from nicheclip.reporting.style import save_figure
from nicheclip.reporting.table import Column, Measured, Number, Table
from nicheclip.runtime.errors import InputError
from small_tables import REGISTRY, ROOT, config

LABELS = {"1": "a", "2": "b", "3": "c", "4": "c"}


def pseudo_labels(rows):
    return PseudoLabels(list(LABELS), ["a", "b", "c"], np.asarray(rows, np.int32))


def test_the_accuracy_of_pseudo_labels_is_of_those_that_there_are():
    shares, coverage = label_accuracy(
        pseudo_labels([[0, 1, 0, 2], [0, -1, -1, 1], [-1, -1, -1, -1]]), LABELS
    )
    assert shares.tolist()[:2] == [0.75, 0.5] and np.isnan(shares[2])
    assert coverage.tolist() == [1, 0.5, 0]


def test_pseudo_labels_are_read_as_they_were_written(tmp_path):
    given, path = pseudo_labels([[0, 1, -1, 2]]), tmp_path / "pseudo_labels.safetensors"
    write_pseudo_labels(path, given)
    found = read_pseudo_labels(path)
    assert (found.image_ids, found.class_ids) == (given.image_ids, given.class_ids)
    assert found.labels.tolist() == given.labels.tolist()
    path.write_bytes(b"damaged")
    with pytest.raises(InputError, match="Adapt the model again"):
        read_pseudo_labels(path)


def test_a_panel_for_each_task_and_a_line_for_each_method(tmp_path):
    one = label_accuracy(pseudo_labels([[0, 1, 2, 2]] * 3), LABELS)
    some = label_accuracy(pseudo_labels([[0, -1, 2, 2]] * 3), LABELS)
    figure = pseudo_label_figure({"t": {"FAIR": one, "MUST": some}, "u": {"FAIR": one}}, "title")
    assert [len(axes.lines) for axes in figure.axes] == [2, 1]
    assert figure.axes[0].lines[0].get_ydata().tolist() == [1, 1, 1]
    (legend,) = figure.legends
    assert [t.get_text() for t in legend.get_texts()] == ["FAIR", "MUST (of some images)"]
    assert save_figure(figure, tmp_path / "labels")[0].is_file()


def test_crop_weights_are_even_where_all_crops_are_as_near():
    figure = crop_weight_figure(np.full((3, 4), 0.5), np.full((3, 4), 0.9), 2, "title")
    weights = figure.axes[1].patches[0].get_data()
    assert weights.edges[0] <= 1 <= weights.edges[-1]
    texts = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert texts[-1] == "FAIR: [CLS], the 2 nearest of 4"


def test_the_hard_group_grows_from_the_pair_with_most_mistakes():
    truth = ["a", "b", "a", "c", "d", "d", "e"]
    decided = ["b", "a", "a", "b", "e", "d", "e"]
    ids = [str(n) for n in range(len(truth))]
    scores = ClassScores(ids, list("abcde"), np.eye(5)[["abcde".index(c) for c in decided]])
    labels = dict(zip(ids, truth, strict=True))
    assert hard_group(scores, labels, 2) == ["a", "b"]
    assert hard_group(scores, labels, 3) == ["a", "b", "c"]
    right = ClassScores(ids, list("abcde"), np.eye(5)[["abcde".index(c) for c in truth]])
    assert hard_group(right, labels, 2) == ["a", "b"]  # no mistake: the first ones


def test_the_hard_group_is_shown_before_and_after():
    ids, random = [str(n) for n in range(6)], np.random.default_rng(0)
    labels = dict(zip(ids, "aabbcc", strict=True))
    before = ClassScores(ids, list("abc"), np.eye(3)[[0, 1, 1, 1, 2, 2]])
    after = ClassScores(ids, list("abc"), np.eye(3)[[0, 0, 1, 1, 2, 2]])
    features = random.normal(size=(6, 4)).astype(np.float32)
    states = {"before": (before, features), "after": (after, features)}
    figure = hard_group_figure(states, labels, {"a": "ant"}, ["a", "b"], "title")
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "before: 75% of 4 right",
        "after: 100% of 4 right",
    ]


def test_points_without_a_number_above_zero_are_left_out_of_their_panel():
    columns = (Column("method", "Method"), Column("views", "Views"), Column("seconds", "Seconds"))
    columns = (*columns, Column("accuracy", "Top-1"))
    rows = (
        ("CLIP", Number(1), None, Measured(50, ())),
        ("FAIR", Number(37), Measured(8, ()), Measured(60, ())),
        ("none", Number(0), Measured(8, ()), None),
    )
    options = ScatterFigure(kind="scatter", points="method", x=["views", "seconds"], y="accuracy")
    figure = scatter_figure(Table("title", columns, rows), options)
    found = [{line.get_label() for line in axes.lines} for axes in figure.axes]
    assert found == [{"CLIP", "FAIR"}, {"FAIR"}]
    by_axis = options.model_copy(update={"y": "evaluation"})
    first, _ = scatter_figure(Table("title", columns, rows), by_axis).axes
    assert first.get_ylabel() == "Top-1"


def test_the_demo_shows_its_methods_that_train():
    plan = Plan(parse_config(yaml.safe_load((ROOT / "config.yaml").read_text())), REGISTRY)
    found = adaptation_figures(plan)
    assert {"FAIR", "DPA", "POUF"} <= set(found.trained) and "CLIP" not in found.trained
    assert found.subject == "adapted/fair/field-a/seed0"
    assert (found.crops, found.top_crops) == (4, 2)
    adapted = [one for one in confusion_figures(plan) if "adapted" in one.job]
    assert [one.evaluation for one in adapted] == ["field-a"]


def test_no_figures_without_the_paper_or_without_a_method_of_its_kind():
    values = config("adapt")
    values["papers"]["fair"]["methods"] = {"CLIP": "free-clip"}
    assert adaptation_figures(Plan(parse_config(values), REGISTRY)) is None
    assert adaptation_figures(Plan(parse_config(config("tiny")), REGISTRY)) is None
