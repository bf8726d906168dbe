"""Data sets that are used alike: one of them stays in a rehearsal."""

import pytest

from nicheclip.config.rehearsal.alike import leave_out, used_like_others
from nicheclip.config.workflow import parse_config
from nicheclip.config.yaml_file import read_yaml
from small_tables import ROOT

PAPERS = ("fungalzsl", "bioclip", "agriclip", "fair")
#: of the data sets of each paper, those that stay with one of each that are used alike
STAY = {
    "fungalzsl": ["fungi"],
    "bioclip": ["tol-10m", "tol-1m", "inat21", "birds", "plankton", "rare-species"],
    "agriclip": ["alive", "aquarium-fish", "banana-deficiency"],
    "fair": ["caltech101", "dtd", "eurosat", "flowers102"],
}


def values_of(paper, rehearsal=4):
    return read_yaml(ROOT / f"workflow/config/{paper}.yaml") | {"rehearsal": rehearsal}


def config_of(paper, rehearsal=4):
    return parse_config(values_of(paper, rehearsal))


@pytest.mark.parametrize("paper", PAPERS)
def test_of_data_sets_that_are_used_alike_one_stays(paper):
    config, whole = config_of(paper), config_of(paper, {"images": 4, "alike": None})
    real = parse_config(read_yaml(ROOT / f"workflow/config/{paper}.yaml"))
    assert list(config.datasets) == STAY[paper]
    assert list(whole.datasets) == list(real.datasets)
    for section in ("training", "adaptation", "models"):
        names = list(getattr(real, section))
        assert list(getattr(config, section)) == list(getattr(whole, section)) == names
    assert list(whole.evaluation) == list(real.evaluation)
    assert list(whole.tasks) == list(real.tasks)
    assert len(config_of(paper, {"images": 4, "alike": 2}).datasets) in range(
        len(config.datasets), len(whole.datasets) + 1
    )


def test_what_is_used_alike():
    judged = {"protocols": ["zero_shot"]}
    values = {
        "datasets": {
            name: {"leakage": {"apart_from": ["b", "d"]}} if name == "train" else {}
            for name in ("train", "a", "b", "c", "d", "e")
        },
        "training": {"run": {"dataset": "train"}},
        "evaluation": {
            "all": judged | {"dataset": ["train", "a", "b", "c"]},
            "one": judged | {"dataset": "d", "class_texts": {"templates": "x"}},
            "two": judged | {"dataset": "e", "class_texts": {"templates": "y"}},
        },
        "papers": {"p": {"tasks": ["one", "two"], "only": {"label": "all"}}},
    }
    assert used_like_others(values, 1) == {"b", "c", "e"}
    assert used_like_others(values, 2) == {"c"}
    made = leave_out({"b", "c", "e"}, values)
    assert list(made["datasets"]) == ["train", "a", "d"]
    assert made["datasets"]["train"]["leakage"]["apart_from"] == ["d"]
    assert made["evaluation"]["all"]["dataset"] == ["train", "a"]
    assert list(made["evaluation"]) == ["all", "one"]
    assert made["papers"]["p"] == {"tasks": ["one"], "only": {"label": "all"}}
    # another key names one of them: it is used in a way of its own
    values["papers"]["p"]["shown"] = "two"
    assert used_like_others(values, 1) == {"b", "c"}
    # what decides which classes are seen stays
    values["evaluation"]["one"]["seen_in"] = "c"
    assert used_like_others(values, 1) == {"b"}
    # and so does what says which epoch of a run is the best
    values["training"]["run"]["validation"] = {"dataset": "b"}
    assert used_like_others(values, 1) == set()
