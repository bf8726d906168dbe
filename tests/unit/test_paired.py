import dataclasses

import numpy as np
import pytest
from scipy import stats

from nicheclip.evaluation.bootstrap import class_share_interval, wilson
from nicheclip.evaluation.paired import paired_difference
from nicheclip.evaluation.predictions import Predictions
from nicheclip.runtime.errors import InputError
from small_evaluation import image_id

SETTINGS = {"resamples": 4000, "confidence": 0.95, "seed": 0}


def arm(hits, labels):
    """Predictions that are right where ``hits`` is 1."""
    return Predictions(
        image_ids=[image_id(i) for i in range(len(labels))],
        labels=list(labels),
        classes=[[c if hit else "wrong"] for c, hit in zip(labels, hits, strict=True)],
        scores=[[1.0]] * len(labels),
    )


def species(classes, images):
    return [f"c{i:03}" for i in range(classes) for _ in range(images)]


def test_the_interval_over_classes_is_that_of_class_means_where_sizes_are_equal():
    labels = species(30, 5)
    credit = (np.random.default_rng(0).random(150) < np.repeat(np.linspace(0, 1, 30), 5)) * 1.0
    interval = class_share_interval(credit, labels, **SETTINGS)
    peer = stats.bootstrap(
        (credit.reshape(30, 5).mean(axis=1),), np.mean, n_resamples=4000, method="percentile", rng=1
    ).confidence_interval
    # the standard error of a percentile's end is about 0.003 here
    assert (interval.low, interval.high) == pytest.approx((peer.low, peer.high), abs=0.012)
    assert interval.method == "bootstrap over classes"
    order = np.random.default_rng(1).permutation(150)
    shuffled = class_share_interval(credit[order], [labels[i] for i in order], **SETTINGS)
    assert (shuffled.low, shuffled.high) == pytest.approx((interval.low, interval.high))


def test_a_large_class_weighs_by_its_images():
    # two classes: a 1 of 1, b 0 of 3; resamples aa, ab, bb have means 1, 1/4, 0
    interval = class_share_interval(np.array([1.0, 0, 0, 0]), list("abbb"), **SETTINGS)
    assert (interval.low, interval.high) == (0.0, 1.0)
    half = class_share_interval(
        np.array([1.0, 0, 0, 0]), list("abbb"), resamples=4000, confidence=0.4, seed=0
    )
    # bb: 1/4 of the resamples, so the 30 % and 70 % points are those of ab
    assert (half.low, half.high) == (0.25, 0.25)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_no_spread_takes_wilson_with_the_number_of_classes(value):
    interval = class_share_interval(np.full(200, value), species(10, 20), **SETTINGS)
    peer = stats.binomtest(int(value * 10), 10).proportion_ci(method="wilson")
    assert (interval.low, interval.high) == pytest.approx((peer.low, peer.high))
    assert interval.method == "wilson over classes"


def test_one_class_is_not_sure_of_itself():
    interval = class_share_interval(np.array([1.0, 0, 1, 0]), list("aaaa"), **SETTINGS)
    # Wilson for half of n = 1: half the width is z / 2 / sqrt(1 + z^2) = 0.445
    assert (interval.low, interval.high) == pytest.approx((0.055, 0.945), abs=1e-3)


def test_wilson_agrees_with_scipy():
    for k, n in ((0, 7), (3, 7), (7, 7), (40, 100)):
        peer = stats.binomtest(k, n).proportion_ci(0.9, method="wilson")
        assert wilson(k / n, n, 0.9) == pytest.approx((peer.low, peer.high))


def test_a_difference_agrees_with_the_bootstrap_of_class_differences():
    labels = species(40, 4)
    rng = np.random.default_rng(0)
    first, second = (rng.random(160) < 0.7) * 1.0, (rng.random(160) < 0.5) * 1.0
    found = paired_difference([arm(first, labels)], [arm(second, labels)], **SETTINGS)
    by_class = (first - second).reshape(40, 4).mean(axis=1)
    peer = stats.bootstrap(
        (by_class,), np.mean, n_resamples=4000, method="percentile", rng=1
    ).confidence_interval
    assert found.value == pytest.approx(by_class.mean())
    assert (found.low, found.high) == pytest.approx((peer.low, peer.high), abs=0.015)
    assert (found.n_images, found.n_classes, found.seeds, found.verdict) == (160, 40, 1, "better")


@pytest.mark.parametrize(
    ("classes", "first", "second", "verdict"),
    [
        (10, 1, 0, "better"),
        (10, 0, 1, "worse"),
        (10, 1, 1, "no difference shown"),
        (9, 1, 0, "too few classes"),
    ],
)
def test_verdicts(classes, first, second, verdict):
    labels = species(classes, 3)
    arms = [[arm([hit] * len(labels), labels)] for hit in (first, second)]
    found = paired_difference(*arms, **SETTINGS)
    assert found.verdict == verdict
    assert (found.value, found.low, found.high) == (first - second,) * 3


def test_seeds_are_resampled_in_each_arm():
    # seeds of the first arm are all right or all wrong, the second arm is wrong: the mean over two
    # seeds drawn is 0, 1/2 or 1 with probability 1/4, 1/2, 1/4, whatever the classes
    labels = species(12, 2)
    right, wrong = arm([1] * 24, labels), arm([0] * 24, labels)
    found = paired_difference([right, wrong], [wrong, wrong, wrong], **SETTINGS)
    assert (found.value, found.low, found.high) == (0.5, 0.0, 1.0)
    assert found.seeds == 2 and found.verdict == "no difference shown"


def test_the_order_of_images_does_not_matter():
    labels = species(12, 3)
    hits = np.arange(36) % 4 == 0
    first, second = arm(hits, labels), arm(~hits, labels)
    turned = Predictions(*(getattr(second, f.name)[::-1] for f in dataclasses.fields(second)))
    settings = SETTINGS | {"resamples": 200}
    straight = paired_difference([first], [second], **settings)
    assert paired_difference([first], [turned], **settings) == straight


def test_other_images_or_labels_are_refused():
    labels = species(12, 1)
    first = arm([1] * 12, labels)
    with pytest.raises(InputError, match="run 2, seed number 1 did not judge the same images"):
        paired_difference([first], [arm([1] * 11, labels[:11])], **SETTINGS)
    with pytest.raises(InputError, match=f"run 1, seed number 2 .* image {image_id(0)} differs"):
        paired_difference([first, arm([1] * 12, labels[::-1])], [first], **SETTINGS)
    with pytest.raises(InputError, match="at least one seed"):
        paired_difference([], [first], **SETTINGS)
