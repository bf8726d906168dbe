"""BCa intervals: as scipy has them, and with the coverage that they claim."""

import numpy as np
import pytest
from scipy import stats

from nicheclip.config.evaluation import EvaluationConfig
from nicheclip.evaluation.accuracy import image_interval
from nicheclip.evaluation.bca import acceleration_of_ratio, bca_shares
from nicheclip.evaluation.bootstrap import class_share_interval, mean_interval
from nicheclip.runtime.seeding import generator

SETTINGS = {"resamples": 2000, "confidence": 0.95, "seed": 3}


@pytest.mark.parametrize("draw", [np.random.Generator.random, np.random.Generator.exponential])
def test_of_a_mean_it_is_scipys(draw):
    values = draw(np.random.default_rng(1), size=40)
    peer = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=2000,
        confidence_level=0.95,
        method="BCa",
        rng=generator("bootstrap", 3),
    ).confidence_interval
    found = mean_interval(values, **SETTINGS, kind="bca")
    assert (found.low, found.high) == pytest.approx((peer.low, peer.high), rel=1e-12)
    assert found.method == "bca" and found != mean_interval(values, **SETTINGS)


def test_over_classes_it_is_scipys_of_a_ratio():
    rng = np.random.default_rng(5)
    counts = rng.integers(1, 20, 30)
    labels = np.repeat([f"c{i:02}" for i in range(30)], counts)
    credit = (rng.random(len(labels)) < np.repeat(rng.beta(8, 2, 30), counts)).astype(float)
    sums = np.array([credit[labels == one].sum() for one in np.unique(labels)])
    peer = stats.bootstrap(
        (sums, counts.astype(float)),
        lambda a, b, axis: a.sum(axis) / b.sum(axis),
        n_resamples=8_000,
        method="BCa",
        paired=True,
        rng=np.random.default_rng(0),
    ).confidence_interval
    settings = SETTINGS | {"resamples": 8_000}
    found = class_share_interval(credit, labels.tolist(), **settings, kind="bca")
    assert (found.low, found.high) == pytest.approx((peer.low, peer.high), abs=0.006)
    plain = class_share_interval(credit, labels.tolist(), **settings)
    assert found.low < plain.low and found.high < plain.high, "the longer tail is below"
    assert found.method == "bca over classes"


def test_the_acceleration_of_a_ratio_is_that_of_the_jackknife():
    sums, counts = np.array([1.0, 5, 2, 0]), np.array([2.0, 5, 9, 1])
    left = np.array([np.delete(sums, i).sum() / np.delete(counts, i).sum() for i in range(4)])
    gaps = left.mean() - left
    expected = (gaps**3).sum() / (6 * (gaps**2).sum() ** 1.5)
    assert acceleration_of_ratio(sums, counts) == pytest.approx(expected)


def test_without_bias_and_skewness_it_is_the_percentile_interval():
    resampled = np.arange(-50.0, 51.0)
    assert bca_shares(resampled, 0.0, 0.0, 0.9) == pytest.approx((0.05, 0.95))
    low, high = bca_shares(resampled, 1000.0, 0.0, 0.9)
    assert 0 < low < high <= 1, "a sample beyond all its resamples still has an interval"


def test_it_covers_the_truth_as_often_as_it_says_where_percentiles_do_not():
    """The mean of 25 draws of a skewed distribution, the exponential one, whose mean is 1."""
    rng, trials = np.random.default_rng(0), 400
    missed = {"bca": [0, 0], "percentile": [0, 0]}
    for trial in range(trials):
        values = rng.exponential(size=25)
        for kind, ends in missed.items():
            found = mean_interval(values, resamples=300, confidence=0.9, seed=trial, kind=kind)
            ends[0] += found.low > 1
            ends[1] += found.high < 1
    shares = {kind: np.array(ends) / trials for kind, ends in missed.items()}
    # 0.1 within four standard errors, and a little more: the sample is small
    assert 0.1 - 0.05 < shares["bca"].sum() < 0.1 + 0.06
    assert shares["bca"].sum() < shares["percentile"].sum()
    # 5 % at each end is what is nominal
    assert np.ptp(shares["bca"]) < np.ptp(shares["percentile"])


def test_an_evaluation_asks_for_it_and_else_nothing_is_new():
    plain = EvaluationConfig(dataset="d")
    asked = plain.model_copy(update={"interval": "bca"})
    assert "interval" not in plain.options("zero_shot")
    assert asked.options("zero_shot")["interval"] == "bca"
    credit = np.repeat([1.0, 0.0], [37, 3])
    found, other = (image_interval(credit, one, 0) for one in (asked, plain))
    assert (found.method, other.method) == ("bca", "bootstrap")
    assert found.low < other.low
