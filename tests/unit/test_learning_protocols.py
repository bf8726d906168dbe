"""Linear probe and nearest neighbours: what the features of the train split teach."""

import math

import numpy as np
import polars as pl
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit, cross_val_score

from nicheclip.config.evaluation import EvaluationConfig
from nicheclip.config.probes import AdamwProbe
from nicheclip.evaluation.evaluation_split import EvaluationSplit
from nicheclip.evaluation.predictions import read_predictions
from nicheclip.evaluation.protocols import knn, linear_probe
from nicheclip.evaluation.softmax_adamw import descend, shuffled_batches
from nicheclip.models.features import ImageFeatures, l2_normalise, write_features
from nicheclip.runtime.errors import InputError
from small_evaluation import SUBJECT, cell_file, image_id, judge_one, write_catalog, write_classes


def split_of(features, labels, first=0):
    ids = [image_id(first + i) for i in range(len(labels))]
    images = ImageFeatures(l2_normalise(np.asarray(features, np.float32)), ids)
    return EvaluationSplit(images, dict(zip(ids, labels, strict=True)), pl.DataFrame())


def clusters(count, *, spread=0.3, seed=0, first=0):
    """``count`` images of each of three classes around their directions in eight dimensions."""
    rng = np.random.default_rng(seed)
    labels = [c for c in "abc" for _ in range(count)]
    centres = np.eye(8)[["abc".index(label) for label in labels]]
    return split_of(centres + spread * rng.normal(size=centres.shape), labels, first)


def test_votes_are_weighted_as_worked_out_by_hand():
    angles = np.radians([0, 20, 40, 90])  # a, b, b, a
    learnt = split_of(np.stack([np.cos(angles), np.sin(angles)], axis=1), list("abba"))
    judged = split_of([[1, 0]], ["a"], first=100)
    found = knn.neighbours_answers(learnt, judged, neighbours=3)
    a = math.exp(1 / 0.07)
    b = sum(math.exp(math.cos(math.radians(angle)) / 0.07) for angle in (20, 40))
    assert found.classes == [["a", "b"]]
    assert found.scores[0] == pytest.approx([a / (a + b), b / (a + b)], rel=1e-5)
    one = knn.neighbours_answers(learnt, judged, neighbours=1)
    assert one.scores[0] == pytest.approx([1, 0])
    assert knn.neighbours_answers(learnt, judged, 99).scores[0][1] < found.scores[0][1]


def test_blocks_of_judged_images_change_nothing(monkeypatch):
    learnt, judged = clusters(7), clusters(5, spread=0.8, seed=1, first=500)
    whole = knn.neighbours_answers(learnt, judged, 5)
    monkeypatch.setattr(knn, "IMAGES", 4)
    parts = knn.neighbours_answers(learnt, judged, 5)
    assert parts.classes == whole.classes and parts.image_ids == whole.image_ids
    for mine, theirs in zip(parts.scores, whole.scores, strict=True):
        assert mine == pytest.approx(theirs, abs=1e-5)  # blocks round otherwise
    assert 0.4 < whole.correct().mean() < 1


def test_the_probe_is_the_best_of_the_grid_on_what_is_held_out():
    learnt, judged = clusters(20, spread=0.7), clusters(30, spread=0.7, seed=1, first=500)
    probe = linear_probe.fit_probe(learnt, seed=0)
    ids = sorted(learnt.images.image_ids)
    raw = learnt.images.rows(ids).astype(np.float64)
    scaled = (raw - raw.mean(axis=0)) / raw.std(axis=0)
    labels = np.array([learnt.labels[i] for i in ids])
    fifths = PredefinedSplit(np.arange(1, 61) % 5)  # twenty of each class, one after the other
    right = {
        c: cross_val_score(LogisticRegression(C=c, max_iter=1000), scaled, labels, cv=fifths).mean()
        for c in linear_probe.STRENGTHS
    }
    best = max(right, key=lambda c: round(right[c], 9))
    assert best == probe.classifier.C and probe.images == 60
    peer = LogisticRegression(C=best, max_iter=1000).fit(scaled, labels)
    theirs = (judged.images.features - raw.mean(axis=0)) / raw.std(axis=0)
    found = probe.answers(judged)
    assert found.best == peer.predict(theirs).tolist()
    assert found.correct().mean() > 0.6


def test_a_feature_that_never_changes_and_tiny_classes_are_no_trouble():
    learnt = split_of([[1, 0, 1], [0, 1, 1], [1, 0.2, 1]], list("aba"))
    probe = linear_probe.fit_probe(learnt, seed=0)
    assert np.isfinite(probe.answers(learnt).scores).all()
    alone = linear_probe.fit_probe(split_of(np.eye(3), list("abc")), seed=0)
    assert linear_probe.STRENGTHS[0] == alone.classifier.C  # nothing to hold out


def test_of_many_images_one_fifth_is_held_out(monkeypatch):
    fits = []
    fit = linear_probe._fitted
    monkeypatch.setattr(
        linear_probe, "_fitted", lambda x, *rest: fits.append(len(x)) or fit(x, *rest)
    )
    for most, parts in ((60, 5), (59, 1)):
        fits.clear()
        monkeypatch.setattr(linear_probe, "MOST_IN_TURN", most)
        linear_probe.fit_probe(clusters(20), seed=0)
        assert fits == [48] * len(linear_probe.STRENGTHS) * parts + [60]


def test_a_large_train_split_is_sampled_by_the_seed(monkeypatch):
    monkeypatch.setattr(linear_probe, "MOST_TRAINING_IMAGES", 40)
    learnt = clusters(20)
    first, again, other = (linear_probe.fit_probe(learnt, seed=seed) for seed in (0, 0, 1))
    assert first.images == 40
    assert (first.classifier.coef_ == again.classifier.coef_).all()
    assert (first.mean != other.mean).any()


@pytest.fixture
def folder(tmp_path):
    """Features of twelve training and nine judged images, of three classes in turn."""
    catalog = write_catalog(tmp_path / "catalog.parquet", {"train": 12, "test": 9})
    write_classes(tmp_path / "classes.parquet")
    rng = np.random.default_rng(0)
    for split, name in (("train", "train-features"), ("test", "features")):
        rows = catalog.filter(split=split)
        centres = np.eye(4)[["abc".index(c) for c in rows["class_id"]]]
        features = l2_normalise(np.float32(centres + 0.1 * rng.normal(size=centres.shape)))
        path = tmp_path / name / SUBJECT.variant / "images.safetensors"
        path.parent.mkdir(parents=True)
        write_features(path, ImageFeatures(features, rows["image_id"].to_list()), key="k")
    return tmp_path


@pytest.mark.parametrize("protocol", ["linear_probe", "knn"])
def test_a_cell_has_measures_predictions_and_counts(folder, protocol):
    cell = judge_one(folder, protocol)
    values = {one.name: one.value for one in cell.measures}
    assert values["top1"] == values["macro"] == 1
    assert cell.counts == {"training_images": 12} and cell.n == 9
    found = read_predictions(cell_file(folder, protocol, "predictions.parquet"))
    assert found.best == found.labels
    assert all(sum(scores) == pytest.approx(1) for scores in found.scores)


@pytest.mark.parametrize("protocol", ["linear_probe", "knn"])
def test_without_training_images_the_error_says_so(folder, protocol):
    (folder / "train-features").rename(folder / "elsewhere")
    with pytest.raises(InputError, match="no features of the train split"):
        judge_one(folder, protocol)


def test_what_is_learnt_from_is_not_judged():
    with pytest.raises(ValueError, match="knn learns from the train split"):
        EvaluationConfig(dataset="d", split="train", protocols=["knn"])
    with pytest.raises(InputError, match="two classes, there are 1"):
        linear_probe.fit_probe(split_of([[1, 0], [0, 1]], ["a", "a"]), seed=0)
    with pytest.raises(InputError, match="no training image"):
        knn.neighbours_answers(split_of(np.zeros((0, 2)), []), clusters(1), 3)


def test_adamw_that_diverges_gives_no_answers():
    options = AdamwProbe(solver="adamw", lr=1e6, weight_decay=1e6)
    with pytest.raises(InputError, match=r"diverges with lr 1e\+06 and weight_decay 1e\+06"):
        linear_probe.fit_probe(clusters(20), options, seed=0)


def test_adamw_takes_the_steps_of_torch():
    """From the same start, by the same batches."""
    learnt = clusters(20, spread=0.7)
    codes = np.array(["abc".index(learnt.labels[i]) for i in learnt.images.image_ids])
    options = AdamwProbe(solver="adamw", epochs=3, weight_decay=0.3, batch_size=16)
    layer = torch.nn.Linear(8, 3)
    start = torch.cat([layer.weight, layer.bias[:, None]], dim=1).detach().numpy()
    batches = list(shuffled_batches(60, options, np.random.default_rng(0)))
    assert [len(rows) for rows in batches] == [16, 16, 16, 12] * 3
    peer = torch.optim.AdamW(layer.parameters(), lr=options.lr, weight_decay=0.3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(peer, len(batches))
    for rows in batches:
        peer.zero_grad()
        logits = layer(torch.from_numpy(learnt.images.features[rows]))
        torch.nn.functional.cross_entropy(logits, torch.from_numpy(codes[rows])).backward()
        peer.step()
        schedule.step()
    found = descend(start, learnt.images.features, codes, batches, options)
    assert found[:, :8] == pytest.approx(layer.weight.detach().numpy(), abs=1e-5)
    assert found[:, 8] == pytest.approx(layer.bias.detach().numpy(), abs=1e-5)


def test_a_probe_of_few_epochs_has_a_seed_and_stops_early():
    learnt, judged = clusters(20, spread=0.7), clusters(30, spread=0.7, seed=1, first=500)

    def answers(seed, epochs):
        options = AdamwProbe(solver="adamw", epochs=epochs)
        return linear_probe.fit_probe(learnt, options, seed=seed).answers(judged)

    first, again, other = (answers(seed, 2) for seed in (0, 0, 1))
    assert first.scores == again.scores and first.scores != other.scores
    assert answers(0, 100).confidence.mean() > first.confidence.mean() + 0.2
    assert answers(0, 100).correct().mean() > 0.6
