"""Self-supervised runs and aligned models in the plan and the config."""

import copy
from pathlib import Path

import pytest
import yaml

from nicheclip.config.workflow import parse_config
from nicheclip.plan.last_run import origins
from nicheclip.plan.plan import Plan
from nicheclip.runtime.errors import InputError

ROOT = Path(__file__).parents[2]
CONFIG = yaml.safe_load((ROOT / "tests/configs/align.yaml").read_text())


def changed(**sections):
    return {**CONFIG, **sections}


@pytest.fixture
def plan():
    return Plan(parse_config(CONFIG), ROOT / "workflow/registry")


def test_aligned_models_are_subjects_of_the_evaluations_that_list_them(plan):
    names = [str(subject) for subject in plan.subjects("names", "fungi")]
    assert names == [
        "start/tiny/seed0",
        "trained/clip/seed0",
        "aligned/aligned/seed0",
        "aligned/published/seed0",
        "aligned/fused/seed0",
    ]
    job = plan.subject_job("fungi", "test", "aligned", "fused")
    assert [f.rsplit("/", 1)[0] for f in job.model_files] == [
        "results/models/aligned/fused/seed0"
    ] * 2


def test_an_alignment_reads_its_backbone_its_clip_and_its_text_tower(plan):
    assert plan.alignments.backbone_files("aligned") == [
        "results/models/backbones/dino/seed0/backbone.json",
        "results/models/backbones/dino/seed0/backbone.safetensors",
    ]
    assert str(plan.alignments.target("published")) == "trained/clip/seed0"
    assert str(plan.alignments.text("aligned")) == "trained/clip/seed0"
    assert str(plan.alignments.text("published")) == "start/tiny/seed0"


def test_its_seed_is_the_backbones_and_its_images_are_of_all_that_trained():
    more = {**CONFIG["datasets"], "other": CONFIG["datasets"]["fungi"]}
    dino = {**CONFIG["pretraining"]["dino"], "dataset": "other", "seeds": [7, 8]}
    plan = Plan(
        parse_config(changed(datasets=more, pretraining={"dino": dino})), ROOT / "workflow/registry"
    )
    assert plan.alignments.result("fused").variant == "seed7"
    job = plan.subject_job("fungi", "test", "aligned", "fused")
    assert plan.trained_on(job) == ["results/acquire/other/catalog.parquet"]
    assert plan.trained_on(plan.subject_job("fungi", "test", "trained", "clip")) == []


def test_curves_of_both_kinds_of_runs(plan):
    assert plan.histories("clip") == {"seed 0": "results/models/trained/clip/seed0/history.csv"}
    assert plan.histories("dino") == {"seed 0": "results/models/backbones/dino/seed0/history.csv"}


def test_what_the_names_stand_for_is_noted():
    found = origins(parse_config(CONFIG), "a.yaml")
    assert found["pretraining.dino"].made_from == "the backbone test_resnet on the data set fungi"
    assert found["alignment.fused"].made_from == "dino and clip on the data set fungi"


def test_a_grid_of_alignments_is_judged_whole():
    grid = {
        "grid": {"fusion": [0.3, 0.7]},
        "dataset": "fungi",
        "pretraining": "dino",
        "run": "clip",
    }
    evaluation = {"names": {**CONFIG["evaluation"]["names"], "aligned": ["mixed"]}}
    found = parse_config(changed(alignment={"mixed": grid}, evaluation=evaluation))
    assert found.evaluation["names"].aligned == ["mixed-0.3", "mixed-0.7"]


def test_seeds_and_compute_make_no_seed_stale():
    run = parse_config(CONFIG).pretraining["dino"]
    assert not {"seeds", "compute"} & run.determines().keys()


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"alignment": {"fused": {"dataset": "fungi", "pretraining": "dina", "run": "clip"}}},
         "alignment.fused.pretraining: no 'pretraining' entry is called 'dina'; did you mean"),
        ({"evaluation": {"names": {"dataset": "fungi", "aligned": ["fuse"]}}},
         "evaluation.names.aligned: no 'alignment' entry is called 'fuse'; did you mean 'fused'"),
        ({"pretraining": {"clip": CONFIG["pretraining"]["dino"]}},
         "no 'pretraining' entry is called 'dino'"),
        ({"pretraining": {**CONFIG["pretraining"], "clip": CONFIG["pretraining"]["dino"]}},
         "pretraining.clip: a training has the same name; change one"),
        ({"pretraining": {"dino": {**CONFIG["pretraining"]["dino"], "seeds": [1, 1]}}},
         "seeds repeat"),
    ],
)  # fmt: skip
def test_names_that_lead_nowhere_are_errors(sections, words):
    with pytest.raises(InputError, match=words):
        parse_config(changed(**sections))


def with_second_run(**keys):
    training = copy.deepcopy(CONFIG["training"])
    training["second"] = {**training["clip"], "start_from": "clip", **keys}
    return changed(training=training, models={**CONFIG["models"], "other": {"architecture": "x"}})


def test_a_run_starts_from_another_and_was_trained_on_its_data_too():
    config = with_second_run(dataset="more")
    config["datasets"] = {**CONFIG["datasets"], "more": CONFIG["datasets"]["fungi"]}
    plan = Plan(parse_config(config), ROOT / "workflow/registry")
    assert [str(one) for one in plan.starts("second")] == ["trained/clip/seed0"]
    assert plan.config.datasets_of("second") == ["more", "fungi"]
    first, second = (plan.config.training[run].determines() for run in ("clip", "second"))
    assert "start_from" not in first and second["start_from"] == "clip"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"start_from": "klip"}, "start_from: no 'training' entry .* did you mean 'clip'"),
        ({"start_from": "second"}, "'second' starts from a run itself"),
        ({"model": "other"}, "'clip' has the model 'tiny'; expected .*'other'"),
    ],
)
def test_a_run_that_cannot_start_from_another_is_refused(keys, message):
    with pytest.raises(InputError, match=message):
        parse_config(with_second_run(**keys))
