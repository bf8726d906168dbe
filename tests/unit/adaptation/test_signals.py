"""Signals for choosing a method without labels."""

import inspect

import numpy as np
import pytest
from sklearn.metrics import silhouette_score

from nicheclip.models import signals as module
from nicheclip.models.class_scores import ClassScores
from nicheclip.models.signals import (
    Signals,
    agreement,
    entropy,
    mean_signals,
    read_signals,
    seed_agreements,
    signals,
    silhouette,
    write_signals,
)
from nicheclip.runtime.errors import InputError

IDS = ["a", "b"]


def scores(rows):
    return ClassScores([str(n) for n in range(len(rows))], IDS, np.asarray(rows, np.float32))


def unit(*shape, seed=0):
    found = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def test_the_signals_of_four_images_worked_out_by_hand():
    given = scores([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.5, 0.5]])
    start = scores([[0.6, 0.4], [0.4, 0.6], [0.2, 0.8], [1.0, 0.0]])
    found = signals(given, start, unit(4, 3), None)
    assert found.confidence == pytest.approx((0.9 + 0.8 + 0.7 + 0.5) / 4)
    assert found.balance == 0  # all are decided to be a
    assert found.zero_shot_agreement == 0.5

    def bits(p):
        return -sum(q * np.log2(q) for q in (p, 1 - p))

    mean = sum(map(bits, (0.9, 0.8, 0.7, 0.5))) / 4
    assert found.information == pytest.approx(bits(0.725) - mean, abs=1e-6)
    assert found.silhouette == 0  # one class
    assert (found.adapted_silhouette, found.seed_agreement) == (None, None)


def test_entropy_is_one_where_all_classes_are_as_likely_and_zero_where_one_is_sure():
    found = entropy(np.array([[0.25] * 4, [1, 0, 0, 0], [0.5, 0.5, 0, 0]]))
    assert found == pytest.approx([1, 0, 0.5])
    assert entropy(np.array([1.0])) == 0  # one class


@pytest.mark.parametrize("classes", [2, 5])
def test_the_silhouette_is_that_of_scikit_learn(classes):
    features = unit(60, 8)
    decided = np.random.default_rng(1).integers(0, classes, 60)
    expected = silhouette_score(features, decided, metric="cosine")
    assert silhouette(features, decided) == pytest.approx(expected, abs=1e-6)


def test_an_image_alone_in_its_class_counts_as_zero():
    features, decided = unit(7, 4), np.array([0, 0, 0, 1, 1, 1, 2])
    expected = silhouette_score(features, decided, metric="cosine")
    assert silhouette(features, decided) == pytest.approx(expected, abs=1e-6)


def test_no_silhouette_where_every_image_is_its_own_class_or_all_are_one():
    assert silhouette(unit(3, 4), np.arange(3)) == 0
    assert silhouette(unit(3, 4), np.zeros(3, int)) == 0


def test_the_same_features_are_at_no_distance():
    features = np.tile(unit(1, 4), (4, 1))
    assert silhouette(features, np.array([0, 0, 1, 1])) == 0


def test_of_many_images_a_fixed_sample_is_measured(monkeypatch):
    monkeypatch.setattr(module, "MOST_IMAGES", 50)
    features, decided = unit(400, 4), np.random.default_rng(2).integers(0, 3, 400)
    first = silhouette(features, decided)
    assert first == silhouette(features, decided)
    assert first == pytest.approx(silhouette_score(features, decided, metric="cosine"), abs=0.1)


def test_agreement_between_seeds():
    one, two = scores([[0.9, 0.1], [0.8, 0.2]]), scores([[0.9, 0.1], [0.2, 0.8]])
    three = scores([[0.1, 0.9], [0.2, 0.8]])
    assert agreement(one, two) == 0.5
    assert seed_agreements([one, two, three]) == [0.25, 0.5, 0.25]
    assert seed_agreements([one]) == [None]


def test_signals_are_read_as_they_were_written(tmp_path):
    found = Signals(
        confidence=0.5, balance=1, information=0.1, zero_shot_agreement=0.9, silhouette=0.2
    )
    write_signals(tmp_path / "signals.json", found)
    assert read_signals(tmp_path / "signals.json") == found
    assert found.measured() == {
        "confidence": 0.5,
        "balance": 1,
        "information": 0.1,
        "zero_shot_agreement": 0.9,
        "silhouette": 0.2,
    }
    (tmp_path / "signals.json").write_text("{")
    with pytest.raises(InputError, match=r"signals\.json: no signals .* --forcerun adapt_model"):
        read_signals(tmp_path / "signals.json")


def test_no_label_is_an_argument():
    arguments = set(inspect.signature(signals).parameters)
    assert arguments == {"scores", "zero_shot", "start", "adapted"}


def test_the_mean_of_batches_is_over_those_that_have_a_signal():
    one = Signals(
        confidence=0.5, balance=1, information=0.1, zero_shot_agreement=0.9, silhouette=0.2
    )
    other = one.model_copy(update={"confidence": 0.7, "adapted_silhouette": 0.4})
    found = mean_signals([one, other])
    assert found.confidence == pytest.approx(0.6)
    assert (found.adapted_silhouette, found.seed_agreement) == (0.4, None)
