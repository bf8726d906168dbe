"""Calibration and selective accuracy: by hand, against brute force, as a cell and as a figure."""

import warnings

import numpy as np
import pytest
from scipy import special

from nicheclip.config.evaluation import EvaluationConfig
from nicheclip.config.text_sets import TemplateSet, text_sets
from nicheclip.evaluation import calibration as module
from nicheclip.evaluation.calibration import (
    accuracy_at,
    calibration_error,
    fit_temperature,
    negative_log_likelihood,
    reliability_bins,
    risk_coverage,
)
from nicheclip.evaluation.frame import read_cells
from nicheclip.evaluation.predictions import read_predictions
from nicheclip.evaluation.text_sets import write_class_embeddings
from nicheclip.models.features import ImageFeatures, l2_normalise, write_features
from nicheclip.reporting.calibration_figure import calibration_figure
from nicheclip.reporting.evaluation_table import evaluation_table
from nicheclip.reporting.over_seeds import SeedMeasure, over_seeds
from nicheclip.reporting.style import save_figure
from nicheclip.reporting.table import rows_by_key
from nicheclip.runtime.errors import InputError
from small_evaluation import (
    SUBJECT,
    cell_file,
    embeddings_of,
    judge_one,
    write_catalog,
    write_classes,
)

SCALE = 20.0  # of ``embeddings_of``


def test_bins_and_their_error_by_hand():
    confidence = np.array([0.05, 0.25, 0.5, 0.5, 0.75, 1.0])
    correct = np.array([0.0, 1.0, 0.0, 1.0, 1.0, 1.0])
    found = reliability_bins(confidence, correct, bins=4)
    # a bin holds its upper end: .05 and .25, then .5 twice, then .75, then 1
    assert [(one.place, one.n) for one in found] == [(0, 2), (1, 2), (2, 1), (3, 1)]
    assert [one.accuracy for one in found] == [0.5, 0.5, 1, 1]
    error = (2 * abs(0.5 - 0.15) + 2 * 0 + 1 * 0.25 + 1 * 0) / 6
    assert calibration_error(found) == pytest.approx(error)
    assert reliability_bins(np.array([0.0]), np.array([1.0]))[0].place == 0


def test_risk_and_coverage_by_hand_and_images_that_tie_share_their_errors():
    confidence = np.array([0.9, 0.6, 0.6, 0.3])
    correct = np.array([1.0, 1.0, 0.0, 0.0])
    coverage, risk = risk_coverage(confidence, correct)
    assert coverage.tolist() == [0.25, 0.5, 0.75, 1]
    assert risk == pytest.approx([0, 0.5 / 2, 1 / 3, 2 / 4])
    shuffled = risk_coverage(confidence[[2, 3, 1, 0]], correct[[2, 3, 1, 0]])[1]
    assert shuffled == pytest.approx(risk)
    assert accuracy_at(confidence, correct, 0.5) == (pytest.approx(0.75), 2)
    assert accuracy_at(np.arange(10) / 10, np.arange(10) % 2 * 1.0, 0.8)[1] == 8
    assert accuracy_at(confidence, correct, 0.01)[1] == 1


def cosines_and_truth(n=4000, temperature=2.5, classes=5):
    """Labels that softmax(SCALE / temperature * cosine) gives."""
    rng = np.random.default_rng(0)
    cosines = rng.uniform(-0.3, 0.3, (n, classes))
    shares = special.softmax(SCALE / temperature * cosines, axis=1)
    truth = (shares.cumsum(axis=1) < rng.uniform(size=(n, 1))).sum(axis=1)
    return cosines, np.minimum(truth, classes - 1)


def test_the_temperature_that_made_the_labels_is_found_and_is_the_best():
    cosines, truth = cosines_and_truth()
    found = fit_temperature(cosines, truth, SCALE)
    assert found == pytest.approx(2.5, rel=0.1)
    peer = -special.log_softmax(SCALE / found * cosines, axis=1)[np.arange(len(truth)), truth]
    best = negative_log_likelihood(cosines, truth, SCALE / found)
    assert best == pytest.approx(peer.mean())
    for other in np.geomspace(0.1, 50, 60):
        assert negative_log_likelihood(cosines, truth, SCALE / other) >= best - 1e-9


@pytest.mark.parametrize("cosines", [np.eye(4), np.ones((4, 4)), np.ones((4, 1))])
def test_where_no_temperature_is_better_it_is_one(cosines):
    truth = np.zeros(4, int) if cosines.shape[1] == 1 else np.arange(4)
    assert fit_temperature(cosines, truth, 100.0) == 1.0


def test_blocks_of_images_change_no_likelihood(monkeypatch):
    cosines, truth = cosines_and_truth(50)
    whole = negative_log_likelihood(cosines, truth, SCALE)
    monkeypatch.setattr(module, "NUMBERS_AT_ONCE", 35)
    assert negative_log_likelihood(cosines, truth, SCALE) == pytest.approx(whole, abs=1e-12)


@pytest.fixture
def folder(tmp_path):
    """30 validation and 30 judged images of three classes; a fifth lie nearest to a wrong one."""
    catalog = write_catalog(tmp_path / "catalog.parquet", {"val": 30, "test": 30})
    write_classes(tmp_path / "classes.parquet")
    rng = np.random.default_rng(1)
    for split, name in (("val", "val-features"), ("test", "features")):
        rows = catalog.filter(split=split)
        places = np.array(["abc".index(c) for c in rows["class_id"]])
        places = np.where(np.arange(30) % 5 == 0, (places + 1) % 3, places)
        near = np.eye(4)[places] + 0.3 * rng.normal(size=(30, 4))
        there = tmp_path / name / SUBJECT.variant
        features = ImageFeatures(l2_normalise(np.float32(near)), rows["image_id"].to_list())
        write_features(there / "images.safetensors", features)
    texts = tmp_path / "features" / SUBJECT.variant / "texts/templates.photo.com.safetensors"
    write_class_embeddings(texts, embeddings_of(["a", "b", "c"], np.eye(4)[:3]), "key")
    return tmp_path


def test_a_cell_measures_both_and_the_temperature_lowers_the_loss(folder):
    cell = judge_one(folder, "calibration")
    values = {one.name: one.value for one in cell.measures if not one.facets}
    zero_shot = judge_one(folder, "zero_shot")
    assert values["top1"] == zero_shot.find("top1").value == pytest.approx(0.8, abs=0.1)
    assert values["temperature"] > 1.5  # sure of a fifth that is wrong
    assert values["nll_scaled"] < values["nll"] and values["ece_scaled"] < values["ece"]
    assert values["confidence"] > values["confidence_scaled"]
    assert cell.counts == {"validation_images": 30} and cell.find("temperature").n == 30
    found = read_predictions(cell_file(folder, "calibration", "predictions.parquet"))
    assert found == read_predictions(cell_file(folder, "zero_shot", "predictions.parquet"))
    bins = reliability_bins(found.confidence, found.correct())
    assert values["ece"] == pytest.approx(calibration_error(bins))
    for one in bins:
        assert cell.find("bin_accuracy", bin=str(one.place)).value == one.accuracy
    assert values["accuracy_at_50"] == accuracy_at(found.confidence, found.correct(), 0.5)[0]


def test_a_large_validation_split_is_sampled_and_a_missing_one_is_named(folder, monkeypatch):
    from nicheclip.evaluation.protocols import calibration

    monkeypatch.setattr(calibration, "MOST_NUMBERS", 36)
    assert judge_one(folder, "calibration").counts == {"validation_images": 12}
    (folder / "val-features").rename(folder / "elsewhere")
    with pytest.raises(InputError, match="no features of the val split"):
        judge_one(folder, "calibration")


def test_its_config(folder):
    one = EvaluationConfig(dataset="d", protocols=["calibration"])
    assert text_sets("calibration", one) == [TemplateSet(templates="photo", text_type="com")]
    with pytest.raises(ValueError, match="calibration learns from the val split"):
        EvaluationConfig(dataset="d", protocols=["calibration"], split="val")


def test_its_rows_in_the_evaluations_table(folder):
    judge_one(folder, "calibration")
    frame = read_cells([cell_file(folder, "calibration", "metrics.json")])
    table = evaluation_table("task", frame, scale="demo")
    labels = [row["measure"] for row in rows_by_key(table)]
    assert labels == [
        "accuracy on the surest 50 %",
        "accuracy on the surest 80 %",
        "accuracy on the surest 90 %",
        "mean error over coverage",
        "calibration error (ECE)",
        "negative log-likelihood",
        "calibration error (ECE), with temperature",
        "negative log-likelihood, with temperature",
        "temperature",
    ]
    assert any(note.startswith("Calibration error: 15 bins") for note in table.notes)


def test_the_interval_of_a_temperature_over_seeds_may_pass_one():
    seeds = [
        SeedMeasure("f", v, 9, None, None, None, None, None, None, None, 9, 3, "temperature")
        for v in (2.0, 3.0)
    ]
    assert over_seeds(seeds).high > 3


def test_the_figure_shows_each_bin_and_the_same_bytes_twice(folder, tmp_path):
    cell = judge_one(folder, "calibration")
    found = read_predictions(cell_file(folder, "calibration", "predictions.parquet"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        files = []
        for name in ("one", "two"):
            figure = calibration_figure(cell, found.confidence, found.correct(), "run: on d/test")
            files.append([p.read_bytes() for p in save_figure(figure, tmp_path / name)])
    assert files[0] == files[1]
    reliability, selective = figure.axes
    before, after = reliability.collections
    bins = reliability_bins(found.confidence, found.correct())
    assert before.get_offsets().tolist() == [
        pytest.approx([one.confidence, one.accuracy]) for one in bins
    ]
    assert len(after.get_offsets()) > 0
    assert selective.lines[0].get_ydata()[-1] == pytest.approx(found.correct().mean())
