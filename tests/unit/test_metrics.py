import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import balanced_accuracy_score

import nicheclip
from nicheclip.evaluation.bootstrap import mean_interval, share_interval
from nicheclip.evaluation.metrics import (
    GroupAccuracy,
    judge_predictions,
    measure_cost,
    rank_accuracies,
    read_metrics,
    write_metrics,
)
from nicheclip.runtime.errors import InputError
from small_evaluation import CELL, CONFIG, predictions_of, write_classes

SETTINGS = {"resamples": 500, "confidence": 0.95, "seed": 0}


def judge(tmp_path, pairs, class_ids="abc"):
    return judge_predictions(
        CELL,
        "zero_shot",
        predictions_of(pairs, class_ids),
        list(class_ids),
        write_classes(tmp_path / "classes.parquet"),
        CONFIG,
        seed=0,
        cost=measure_cost(1.5),
    )


def test_by_hand(tmp_path):
    # a: 2 of 3 right; b: 0 of 1
    pairs = [("a", "a"), ("a", "a"), ("a", "b"), ("b", "a")]
    metrics = judge(tmp_path, pairs, "abcd")
    assert metrics.top1.value == 0.5
    # the other classes follow in order: every label is among the first three
    assert metrics.top3.value == 1.0 and metrics.top5 is None
    assert [(c.class_id, c.n, c.accuracy) for c in metrics.per_class] == [
        ("a", 3, pytest.approx(2 / 3)),
        ("b", 1, 0.0),
    ]
    assert metrics.macro == pytest.approx(1 / 3)
    assert (metrics.chance, metrics.majority) == (0.25, 0.75)
    assert metrics.top3.chance == 0.75
    labels, best = zip(*pairs, strict=True)
    assert metrics.macro == pytest.approx(balanced_accuracy_score(labels, best))


def test_file_round_trip_and_a_broken_file(tmp_path):
    metrics = judge(tmp_path, [("a", "a"), ("b", "a")])
    write_metrics(tmp_path / "metrics.json", metrics)
    assert read_metrics(tmp_path / "metrics.json") == metrics
    (tmp_path / "metrics.json").write_text('{"n": 3}')
    with pytest.raises(InputError, match=r"metrics\.json"):
        read_metrics(tmp_path / "metrics.json")


def test_measures_by_name(tmp_path):
    metrics = judge(tmp_path, [("a", "a"), ("b", "a")])
    assert metrics.measure("top1") == metrics.top1 and metrics.measure("top5") is None
    shots = metrics.top1.model_copy(update={"std": 0.1})
    few = metrics.model_copy(update={"extra": {"shots_1": shots}})
    assert few.measure("shots_1") == shots and few.measure("shots_5") is None


def test_measures_of_a_text_type_and_a_group(tmp_path):
    metrics = judge(tmp_path, [("a", "a"), ("b", "a")])
    entry = GroupAccuracy(
        text_type="taxon_com",
        group="unseen",
        classes=2,
        top1=metrics.top1,
        top5=None,
        macro=0.5,
        hierarchical=None,
    )
    grouped = metrics.model_copy(update={"protocol": "text_types", "groups": [entry]})
    assert grouped.measure("top1/taxon_com/unseen") == metrics.top1
    assert grouped.measure("top5/taxon_com/unseen") is None
    assert grouped.measure("top1/sci/unseen") is None
    assert grouped.group("taxon_com", "unseen") == entry and grouped.group("sci", "all") is None
    write_metrics(tmp_path / "metrics.json", grouped)
    assert read_metrics(tmp_path / "metrics.json") == grouped


def test_no_image_is_an_error(tmp_path):
    with pytest.raises(InputError, match="no image of split test"):
        judge(tmp_path, [])


def test_cost_is_of_this_process():
    cost = measure_cost(2.0, "cuda")
    assert 20e6 < cost.peak_memory_bytes < 64e9
    assert "cuda" in cost.hardware


def test_hierarchical_accuracy_by_hand(tmp_path):
    lineages = {
        "a": {"kingdom": "Animalia", "genus": "Oenanthe", "species": "hispanica"},
        "b": {"kingdom": "Animalia", "phylum": "Chordata", "genus": "Oenanthe"},
        "c": {"kingdom": "Plantae", "genus": "Oenanthe", "species": "crocata"},
    }
    classes = write_classes(tmp_path / "classes.parquet", lineages)
    predictions = predictions_of([("a", "a"), ("a", "b"), ("a", "c"), ("b", "a")])
    found = {r.rank: (r.n, r.accuracy) for r in rank_accuracies(predictions, classes)}
    # the plant genus Oenanthe is not the bird genus; a's open phylum contradicts nothing
    assert found == {
        "kingdom": (4, 0.75),
        "phylum": (1, 0.0),
        "genus": (4, 0.75),
        "species": (3, pytest.approx(1 / 3)),
    }


def test_classes_without_ranks_have_no_hierarchical_accuracy(tmp_path):
    assert judge(tmp_path, [("a", "a")]).hierarchical is None


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


def test_light_modules_do_not_load_torch():
    modules = (
        "evaluation.image_cells, nicheclip.evaluation.retrieval, nicheclip.evaluation.zero_shot, "
        "nicheclip.evaluation.class_texts, nicheclip.reporting.figures, "
        "nicheclip.reporting.fungalzsl_figures, nicheclip.reporting.fungalzsl"
    )
    code = f"import sys, nicheclip.{modules}\nassert 'torch' not in sys.modules"
    source = Path(nicheclip.__file__).parents[1]
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(source)})
