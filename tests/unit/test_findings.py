"""What a config asks of images that are not there, worked out by hand."""

import re

import pytest

from nicheclip.config.optimization import ScheduleConfig
from nicheclip.config.workflow import parse_config
from nicheclip.engine.sampling import Sampling
from nicheclip.plan.findings import Wanted, WantedRun, WantedTask, findings, wanted

#: 12, 3 and 6 images
COUNTS = {"train": {"a": 6, "b": 4, "c": 2}, "val": {"a": 2, "b": 1}, "test": {"a": 4, "b": 2}}


def said(counts, *, run=None, task=None):
    """The sentences about a run of three epochs of three batches, and about an evaluation."""
    one = {"name": "r", "epochs": 3, "min_steps": 0, "batch_size": 4, "schedule": ScheduleConfig()}
    judged = {"name": "e", "split": "test", "shots": [], "among_all": True, "baseline": True}
    found = findings(
        "pests",
        Wanted(
            runs=[WantedRun(**one | run)] if run is not None else [],
            tasks=[WantedTask(**judged | task)] if task is not None else [],
        ),
        counts,
        lambda images, batch: Sampling((images,), batch, 0).batches,
    )
    return [f"{one.kind}: {one.text}" for one in found]


def test_a_config_that_the_images_satisfy_is_met_with_silence():
    whole = COUNTS | {"test": {"a": 2, "b": 2, "c": 2}}
    assert said(whole, run={}, task={"shots": [1]}) == []


@pytest.mark.parametrize(
    ("counts", "wants", "expected"),
    [
        ({"train": {"a": 1}}, {"run": {}}, "error: training.r: 'pests' has 1 training images"),
        # 3 epochs of 3 batches are 9 steps
        (
            COUNTS,
            {"run": {"schedule": ScheduleConfig(warmup_steps=9)}},
            "error: training.r.schedule.warmup_steps: 9 steps, but 12 training images are 9 steps",
        ),
        ({"train": COUNTS["train"]}, {"run": {}}, "note: training.r: 'pests' has no validation"),
        ({"train": {"a": 3}}, {"task": {}}, "error: evaluation.e: the split 'test' of 'pests' has"),
        (COUNTS, {"task": {}}, "note: evaluation.e: 1 of 3 classes have no image .* tested: c."),
        # a class of two images can learn from one; of b and a, only a has six or more
        (
            COUNTS,
            {"task": {"shots": [1, 3]}},
            "note: evaluation.e: 1-shot chooses among 2 of 3 classes, those with 2 images or more",
        ),
        (COUNTS, {"task": {"shots": [1, 3]}}, "note: evaluation.e: 3-shot is not judged"),
        (
            COUNTS,
            {"task": {"shots": [2, 5]}},
            "error: evaluation.e: few_shot with 2 or more shots needs two classes of 3 images .* "
            "the largest has 4",
        ),
        ({"test": {"a": 1, "b": 1}}, {"task": {}}, "error: evaluation.e: .* for the baseline"),
        (
            {"train": COUNTS["train"], "test": COUNTS["test"]},
            {"task": {"learns": {"train": "knn", "val": "calibration"}}},
            "error: evaluation.e: 'pests' has no validation image for calibration to learn from",
        ),
    ],
)
def test_what_is_missing_is_said(counts, wants, expected):
    assert any(re.match(expected, line) for line in said(counts, **wants))


def test_a_run_that_is_lengthened_holds_a_longer_warm_up():
    assert said(COUNTS, run={"schedule": ScheduleConfig(warmup_steps=9), "min_steps": 10}) == []
    assert said(COUNTS, run={"schedule": ScheduleConfig(warmup_steps=0.9)}) == []


def test_seen_and_unseen_classes_are_not_guessed():
    assert said(COUNTS, task={"among_all": False, "shots": [5], "baseline": False}) == []


def test_the_config_says_what_is_wanted_of_each_data_set():
    run = {"model": "m", "recipe": {"kind": "contrastive"}, "texts": {"types": {"com": 1}}}
    run |= {"epochs": 2, "batch_size": 4}
    config = parse_config(
        {
            "datasets": {x: {"source": {"kind": "folder", "path": x}} for x in ("a", "b")},
            "models": {"m": {"architecture": "nicheclip-tiny"}},
            "training": {"of-a": {"dataset": "a", **run}, "of-b": {"dataset": "b", **run}},
            "evaluation": {
                "both": {"dataset": ["a", "b"], "shots": [2]},
                "shots": {"dataset": "a", "protocols": ["few_shot"], "shots": [2]},
            },
        }
    )
    of_a, of_b = wanted(config, "a"), wanted(config, "b")
    assert [one.name for one in of_a.runs] == ["of-a"]
    assert [(one.name, one.shots) for one in of_a.tasks] == [("both", []), ("shots", [2])]
    assert [one.name for one in of_b.tasks] == ["both"]
