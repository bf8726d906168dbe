import warnings
from xml.dom import minidom

import numpy as np
import polars as pl
import pytest
from sklearn.decomposition import PCA
from sklearn.metrics import confusion_matrix as peer_confusion_matrix

from nicheclip.config.table_figures import BesidePublishedFigure
from nicheclip.data.labels import Labels
from nicheclip.evaluation.predictions import Predictions, write_predictions
from nicheclip.models.features import write_features
from nicheclip.plan.cells import Cell
from nicheclip.reporting.figure_kinds import pictures, probabilities, tree
from nicheclip.reporting.figure_kinds.beside_published import beside_published_figure
from nicheclip.reporting.figure_kinds.pictures import prediction_grid
from nicheclip.reporting.figure_kinds.probabilities import (
    caption_sources_figure,
    mean_probabilities,
)
from nicheclip.reporting.figures import (
    confusion_figure,
    confusion_matrix,
    embedding_figure,
    principal_components,
    training_figure,
)
from nicheclip.reporting.style import RIGHT, WRONG, save_figure, shortened
from nicheclip.reporting.table import Column, Measured, Number, Table
from nicheclip.runtime.errors import InputError
from nicheclip.subjects import Subject
from small_evaluation import (
    NAMES,
    image_id,
    predictions_of,
    small_image_sets,
    unit_features,
    write_catalog,
    write_classes,
)
from small_tables import config, tables


@pytest.fixture(autouse=True)
def no_warnings():
    """A missing glyph or a layout that does not fit is a warning in matplotlib."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def random_predictions(n=60, classes="abc"):
    rng = np.random.default_rng(0)
    return predictions_of(
        [(classes[i % len(classes)], str(rng.choice(list(classes)))) for i in range(n)], classes
    )


def texts_of(axes):
    return [text.get_text() for text in axes.texts]


def test_confusion_matrix_agrees_with_scikit_learn():
    predictions = random_predictions()
    expected = peer_confusion_matrix(predictions.labels, predictions.best, labels=list("abc"))
    np.testing.assert_array_equal(confusion_matrix(predictions, list("abc")), expected)


def test_confusion_figure_shows_the_counts_and_the_names():
    figure = confusion_figure(predictions_of([("a", "a"), ("a", "a"), ("b", "a")]), NAMES, "t")
    axes = figure.axes[0]
    assert texts_of(axes) == ["2", "1"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Ant", "Bee"]
    assert "66.7% of 3 images" in figure.get_suptitle()


def test_written_figures_are_the_same_bytes_and_dollars_are_no_formulas(tmp_path):
    paths = [
        save_figure(confusion_figure(random_predictions(), NAMES, "$1 and _2"), tmp_path / name)
        for name in ("one", "two")
    ]
    assert [p.name for p in paths[0]] == ["one.svg", "one.png"]
    for first, second in zip(*paths, strict=True):
        assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("name", ["a\x01b", "a\x00b", "\x1b[31m", "a\x0bb", "\ufffe", "-->\x02<x>"])
def test_names_with_control_characters_make_no_broken_svg(tmp_path, name):
    warnings.simplefilter("ignore")  # the fonts have no such characters
    figure = confusion_figure(random_predictions(), NAMES | {"a": name}, f"of {name}")
    svg, _ = save_figure(figure, tmp_path / "figure")
    assert minidom.parse(str(svg)).documentElement.tagName == "svg"
    assert "\ufffd" in svg.read_text(encoding="utf-8")


def test_training_figure_draws_what_occurs_and_leaves_gaps_out(tmp_path):
    table = pl.DataFrame(
        {"epoch": [1, 2, 3], "loss": [3.0, 2.0, 1.0], "val_accuracy": [None, 0.5, 0.6], "other": 1}
    )
    table.write_csv(tmp_path / "history.csv")
    runs = {f"seed {i}": tmp_path / "history.csv" for i in range(2)}
    figure = training_figure(runs, "t")
    drawn = {axes.get_title(loc="left"): axes for axes in figure.axes}
    assert list(drawn) == ["training loss", "validation accuracy"]
    assert [len(axes.lines) for axes in figure.axes] == [2, 2]
    line = drawn["validation accuracy"].lines[0]
    assert line.get_xdata().tolist() == [2, 3] and line.get_ydata().tolist() == [0.5, 0.6]
    save_figure(figure, tmp_path / "figure")


def test_a_history_without_epochs_or_curves_is_refused(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("step,loss\n1,2\n")
    with pytest.raises(InputError, match="no column epoch"):
        training_figure({"run": path}, "t")
    path.write_text("epoch,other\n1,2\n")
    with pytest.raises(InputError, match="no curve"):
        training_figure({"run": path}, "t")


def test_mean_probabilities_by_hand():
    predictions = Predictions(
        [image_id(i) for i in range(3)],
        ["a", "a", "b"],
        [["a", "b"], ["b", "a"], ["b", "a"]],
        [[0.9, 0.1], [0.7, 0.3], [1.0, 0.0]],
    )
    means = mean_probabilities(predictions, ["a", "b", "c"])
    np.testing.assert_allclose(means[:2], [[0.6, 0.4, 0], [0, 1, 0]])
    assert np.isnan(means[2]).all()
    with pytest.raises(InputError, match="there are 6"):
        mean_probabilities(predictions, list("abcdef"))


def test_figure_4_has_a_panel_and_a_bar_for_each_source(tmp_path):
    long = "a very long name of a source"
    sources = {"visual": random_predictions(), long: random_predictions(9)}
    figure = caption_sources_figure(sources, NAMES, "Probabilities " * 8)
    bars = [axes for axes in figure.axes if axes.get_xlabel() == "zero-shot accuracy"]
    assert len(bars) == 1 and len(bars[0].patches) == 2
    assert bars[0].patches[0].get_width() == pytest.approx(sources["visual"].correct().mean())
    save_figure(figure, tmp_path / "figure")


def test_figure_5_marks_right_and_wrong_by_colour_and_sign(tmp_path):
    images = small_image_sets(tmp_path)["test"]
    class_ids = Labels(images.folder).class_ids
    labels = dict(zip(images.image_ids, class_ids, strict=True))
    best = ["a", "b", "c"] * 3
    predictions = Predictions(
        images.image_ids, class_ids, [[b] for b in best], [[1.0] for _ in best]
    )
    figure = prediction_grid(predictions, images, NAMES, "t", rows=2, columns=4, seed=0)
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert len(shown) == 8
    signs = {"✓": 0, "✗": 0}
    for axes in shown:
        title = axes.get_title(loc="left")
        signs[title[0]] += 1
        colour = axes.spines["left"].get_edgecolor()
        expected = RIGHT if title[0] == "✓" else WRONG
        assert tuple(round(c * 255) for c in colour[:3]) == tuple(bytes.fromhex(expected[1:]))
        assert ("true:" in title) == (title[0] == "✗")
    right = sum(labels[i] == b for i, b in zip(images.image_ids, best, strict=True))
    assert right - 1 <= signs["✓"] <= right
    save_figure(figure, tmp_path / "figure")


def test_principal_components_agree_with_scikit_learn():
    features = unit_features(np.random.default_rng(0).normal(size=(40, 6))).features
    points, shares = principal_components(features)
    peer = PCA(2).fit(features)
    np.testing.assert_allclose(np.abs(points), np.abs(peer.transform(features)), atol=1e-5)
    np.testing.assert_allclose(shares, peer.explained_variance_ratio_, atol=1e-6)


@pytest.mark.parametrize("count", [1, 3, 40])
def test_embedding_figure_has_a_colour_for_each_frequent_class(tmp_path, count):
    images = unit_features(np.random.default_rng(0).normal(size=(80, 6)))
    labels = {image_id(i): f"class {i % count}" for i in range(80)}
    figure = embedding_figure(images, labels, {}, "t")
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(names) == (count if count <= 7 else 8)
    assert ("33 other classes" in names) == (count == 40)
    save_figure(figure, tmp_path / "figure")


def test_published_values_are_beside_ours_and_only_what_there_is_is_drawn(tmp_path):
    keys = ("model", "published", "recall", "before_training", "chance", "baseline")
    rows = (
        ("RN50", Number(0.333), None, None, None, None),
        ("own", None, Measured(0.9, (), low=0.85, high=0.94), None, Number(1 / 3), None),
    )
    options = BesidePublishedFigure(kind="beside_published", lines="model", value="recall")
    columns = tuple(Column(key, key) for key in keys)
    figure = beside_published_figure(Table("t", columns, rows), options)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["published", "chance", "measured, with interval"]
    assert figure.axes[0].get_xlabel() == "recall"
    save_figure(figure, tmp_path / "figure")


@pytest.fixture
def judged(tmp_path, monkeypatch):
    """FungalZSL's figures, with the predictions, images and classes that they are drawn from."""
    monkeypatch.chdir(tmp_path)
    images = small_image_sets(tmp_path / "results/acquire/fungi")["test"]
    class_ids = Labels(images.folder).class_ids
    write_classes(tmp_path / "results/acquire/fungi/classes.parquet")
    best = ["a", "b", "c"] * 3
    scores = [[0.7, 0.2, 0.1]] * 9
    kept = [[b, *(c for c in "abc" if c != b)] for b in best]
    for evaluation in ("visual", "plain"):
        subject = Subject(kind="trained", name="fungi-tiny", variant="seed0")
        cell = Cell(subject, evaluation, "fungi", "test", "zero_shot")
        answers = Predictions(images.image_ids, class_ids, kept, scores)
        write_predictions(cell.predictions, answers)
    right = sum(a == b for a, b in zip(class_ids, best, strict=True)) / 9
    return tables(config("tiny")).by_name, right


def test_figure_4_comes_with_its_numbers(judged):
    found, right = judged
    drawing = probabilities.draw(found["fungalzsl_figure_4"].request, None)
    assert [one.source for one in drawing.numbers.sources] == ["visual", "plain"]
    first = drawing.numbers.sources[0]
    assert first.accuracy == pytest.approx(right) and first.class_ids == ["a", "b", "c"]
    for row in first.mean_probabilities:
        assert sum(row) == pytest.approx(1)
    assert "demo scale, not comparable" in " ".join(drawing.figure.get_suptitle().split())


def test_figure_5_comes_with_its_numbers(judged):
    found, right = judged
    drawing = pictures.draw(found["fungalzsl_figure_5"].request, None)
    numbers = drawing.numbers
    assert (numbers.images, len(numbers.shown)) == (9, 9)
    assert numbers.accuracy == pytest.approx(right)
    assert sum(one.label == one.predicted for one in numbers.shown) == round(9 * right)
    titles = [axes.get_title(loc="left") for axes in drawing.figure.axes if axes.get_visible()]
    signs = ["✓" if one.label == one.predicted else "✗" for one in numbers.shown]
    assert [title[0] for title in titles] == signs


def test_the_tree_comes_with_its_numbers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    acquired = tmp_path / "results/acquire/arbor"
    write_catalog(acquired / "catalog.parquet", {"test": 30})
    lineages = {"a": {"kingdom": "Animalia"}, "b": {"kingdom": "Animalia"}, "c": {}}
    lineages["b"]["phylum"], lineages["a"]["phylum"] = "Mollusca", "Chordata"
    write_classes(acquired / "classes.parquet", lineages)
    request = tables(config("arbor")).by_name["bioclip_tree"].request
    assert [row.label for row in request.rows] == ["before training", "trained"]
    for seed, path in enumerate(request.features):
        rows = np.random.default_rng(seed).normal(size=(30, 5))
        write_features(path, unit_features(rows))
    drawing = tree.draw(request, None)
    (panel,) = drawing.numbers.panels
    assert (panel.rank, panel.within, panel.images, panel.drawn) == ("phylum", "Animalia", 20, 20)
    assert panel.taxa == {"Chordata": 10, "Mollusca": 10}


def test_shortened_keeps_both_ends():
    assert shortened("short") == "short"
    assert shortened("Cortinarius violaceus variety 17", 20) == "Cortinari…variety 17"
    assert len(shortened("x" * 99, 20)) == 20
