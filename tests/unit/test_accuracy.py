import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import balanced_accuracy_score

from nicheclip.evaluation.accuracy import accuracy_measures, rank_accuracies
from nicheclip.evaluation.bootstrap import Interval, mean_interval, share_interval
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.seeding import generator
from small_evaluation import CONFIG, predictions_of, write_classes

SETTINGS = {"resamples": 500, "confidence": 0.95, "seed": 0}


def measures_of(tmp_path, pairs, class_ids="abc"):
    return accuracy_measures(
        predictions_of(pairs, class_ids),
        len(class_ids),
        write_classes(tmp_path / "classes.parquet"),
        CONFIG,
        0,
    )


def test_by_hand(tmp_path):
    # a: 2 of 3 right; b: 0 of 1
    pairs = [("a", "a"), ("a", "a"), ("a", "b"), ("b", "a")]
    measures = measures_of(tmp_path, pairs, "abcd")
    found = {m.name: m for m in measures if m.name != "class_accuracy"}
    assert found["top1"].value == 0.5 and found["top1"].n == 4
    # the other classes follow in order: every label is among the first three
    assert found["top3"].value == 1.0 and "top5" not in found
    by_class = [m for m in measures if m.name == "class_accuracy"]
    assert [(m.facets, m.n, m.value) for m in by_class] == [
        ({"class_id": "a"}, 3, pytest.approx(2 / 3)),
        ({"class_id": "b"}, 1, 0.0),
    ]
    assert found["macro"].value == pytest.approx(1 / 3)
    assert (found["top1"].chance, found["majority"].value) == (0.25, 0.75)
    assert (found["top3"].chance, found["top3"].classes) == (0.75, 4)
    labels, best = zip(*pairs, strict=True)
    assert found["macro"].value == pytest.approx(balanced_accuracy_score(labels, best))


def test_no_image_is_an_error(tmp_path):
    with pytest.raises(InputError, match="no image of split test"):
        measures_of(tmp_path, [])


def test_hierarchical_accuracy_by_hand(tmp_path):
    lineages = {
        "a": {"kingdom": "Animalia", "genus": "Oenanthe", "species": "hispanica"},
        "b": {"kingdom": "Animalia", "phylum": "Chordata", "genus": "Oenanthe"},
        "c": {"kingdom": "Plantae", "genus": "Oenanthe", "species": "crocata"},
    }
    classes = write_classes(tmp_path / "classes.parquet", lineages)
    predictions = predictions_of([("a", "a"), ("a", "b"), ("a", "c"), ("b", "a")])
    found = {m.facets["rank"]: (m.n, m.value) for m in rank_accuracies(predictions, classes)}
    # the plant genus Oenanthe is not the bird genus; a's open phylum contradicts nothing
    assert found == {
        "kingdom": (4, 0.75),
        "phylum": (1, 0.0),
        "genus": (4, 0.75),
        "species": (3, pytest.approx(1 / 3)),
    }


def test_the_interval_of_a_rank_is_of_the_images_that_have_it(tmp_path):
    lineages = {"a": {"kingdom": "Animalia"}, "b": {"kingdom": "Animalia", "phylum": "Chordata"}}
    classes = write_classes(tmp_path / "classes.parquet", lineages)
    predictions = predictions_of([("a", "a"), ("b", "a"), ("b", "b")])
    asked = []

    def interval(credit, labels):
        asked.append((credit.tolist(), list(labels)))
        return Interval(low=0.1, high=0.9, confidence=0.95, method="made up")

    found = rank_accuracies(predictions, classes, interval=interval)
    assert asked == [([1, 1, 1], ["a", "b", "b"]), ([0, 1], ["b", "b"])]
    assert [(one.low, one.high) for one in found] == [(0.1, 0.9)] * 2


def test_classes_without_ranks_have_no_hierarchical_accuracy(tmp_path):
    assert "rank_accuracy" not in {m.name for m in measures_of(tmp_path, [("a", "a")])}


def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(300):
        values = (rng.random(120) < 0.7).astype(float)
        interval = mean_interval(values, resamples=300, confidence=0.9, seed=trial)
        covered += interval.low <= 0.7 <= interval.high
    # 0.9 within four standard errors, and a little less because the bootstrap is optimistic
    assert 0.9 - 0.09 < covered / 300 < 0.9 + 0.07


def test_the_interval_has_the_width_of_the_normal_one():
    values = np.tile([1.0, 1.0, 1.0, 0.0], 500)
    interval = share_interval(values, **SETTINGS)
    reach = stats.norm.ppf(0.975) * np.sqrt(0.75 * 0.25 / 2000)
    assert interval.low == pytest.approx(0.75 - reach, abs=0.003)
    assert interval.high == pytest.approx(0.75 + reach, abs=0.003)
    assert interval == share_interval(values, **SETTINGS)


def test_a_perfect_score_still_has_an_interval():
    # Wilson for n of n: low = n / (n + z^2)
    interval = share_interval(np.ones(20), **SETTINGS)
    z = stats.norm.ppf(0.975)
    assert (interval.low, interval.high) == (pytest.approx(20 / (20 + z**2)), 1.0)
    assert share_interval(np.zeros(20), **SETTINGS).high == pytest.approx(z**2 / (20 + z**2))


@pytest.mark.parametrize(("n", "resamples"), [(10, 500), (301, 2000), (40_000, 300)])
def test_the_bootstrap_draws_what_scipys_does(n, resamples):
    values = (np.random.default_rng(n).random(n) < 0.7).astype(float)
    peer = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=resamples,
        confidence_level=0.95,
        method="percentile",
        batch=5_000_000 // n,
        rng=generator("bootstrap", 3),
    ).confidence_interval
    found = mean_interval(values, resamples=resamples, confidence=0.95, seed=3)
    # to the last digits: versions of scipy interpolate in different ways
    np.testing.assert_allclose((found.low, found.high), (peer.low, peer.high), rtol=1e-14)
