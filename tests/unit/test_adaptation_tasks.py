"""Tasks of adaptation in the config and the plan, and the scores that are judged."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from nicheclip.config.tasks import TaskConfig
from nicheclip.config.workflow import parse_config
from nicheclip.evaluation.adaptation_tasks import task_classes
from nicheclip.evaluation.adapted import scores_as_predictions
from nicheclip.models.class_scores import ClassScores, read_scores, write_scores
from nicheclip.plan.given_files import check_files
from nicheclip.plan.plan import Plan
from nicheclip.runtime.errors import InputError

ROOT = Path(__file__).parents[2]
CONFIG = yaml.safe_load((ROOT / "tests/configs/adapt.yaml").read_text())
GROUPS = {"all": ["ant", "bee", "cat", "dog", "eel"], "seen": ["ant", "bee", "cat"]}


def changed(section, name, **values):
    config = yaml.safe_load(yaml.safe_dump(CONFIG))
    config[section][name] = {**config[section][name], **values}
    return config


def test_methods_without_training_share_a_job_and_each_that_trains_has_its_own():
    plan = Plan(parse_config(CONFIG), ROOT / "workflow/registry")
    jobs = plan.adaptations.jobs
    assert {name: list(job.entries) for name, job in jobs.items()} == {
        "_training-free-tiny": ["free-clip", "free-transclip", "transport"],
        "fair": ["fair"],
        "upl": ["upl"],
    }
    assert jobs["fair"].modules == ["nicheclip.adaptation.trained.fair"]
    cell = plan.cells("few")[-1]
    assert cell.metrics == (
        "results/evaluate/arbor/test/adapted/few/upl/seed0/few/zero_shot/metrics.json"
    )
    assert cell.subject.folder == "results/models/adapted/upl/few/seed0"
    assert not any(job.kind == "adapted" for job in plan.subject_jobs.values())


def with_vision(*vision, **pretraining):
    method = {"kind": "optimal_transport", "vision": list(vision)}
    config = changed("adaptation", "transport", method=method)
    config["datasets"]["other"] = config["datasets"]["arbor"]
    config["pretraining"]["dino"] |= pretraining
    return Plan(parse_config(config), ROOT / "workflow/registry")


def test_the_image_models_of_a_method_are_inputs_of_its_job():
    plan = with_vision("dino", dataset="other", seeds=[7, 8])
    folder = "results/models/backbones/dino/seed7"
    job = "_training-free-tiny"
    assert plan.adaptations.backbone_files(job) == [
        f"{folder}/backbone.json", f"{folder}/backbone.safetensors"
    ]  # fmt: skip
    assert plan.adaptations.backbone_files("fair") == []
    assert plan.adaptations.starts_trained_on("few-test") == [
        "results/acquire/other/catalog.parquet"
    ]
    assert plan.adaptations.starts_trained_on("few") == []


def test_weights_of_others_are_inputs_or_are_looked_for(tmp_path):
    tower = {"architecture": "vit_base_patch14_dinov2", "weights": "lvd142m"}
    file = {"architecture": "test_resnet", "weights": str(tmp_path / "w.pth"), "size": 32}
    plan, job = with_vision(tower, file), "_training-free-tiny"
    assert plan.adaptations.backbone_files(job) == []
    assert plan.adaptations.weights_files(job) == [file["weights"]]
    assert plan.adaptations.weights_files("fair") == []
    assert plan.adaptations.fetched_weights(job) == [
        {"name": "adaptation.transport", "backbone": tower["architecture"], "weights": "lvd142m"}
    ]
    assert plan.adaptations.fetched_weights("fair") == []
    with pytest.raises(InputError, match=r"config: adaptation.transport.method.vision: .*w.pth"):
        check_files(plan)
    Path(file["weights"]).touch()
    check_files(plan)


def test_a_grid_of_tasks_is_named_by_its_name():
    config = changed("adaptation", "upl", tasks=["several"])
    config["tasks"]["several"] = {"dataset": "arbor", "grid": {"fit": ["train", "test"]}}
    assert parse_config(config).adaptation["upl"].tasks == ["several-train", "several-test"]


@pytest.mark.parametrize(
    ("section", "name", "values", "message"),
    [
        ("adaptation", "upl", {"run": "fish"}, "expected one of run"),
        ("adaptation", "upl", {"model": "tin"}, "did you mean 'tiny'"),
        ("adaptation", "upl", {"tasks": ["fww"]}, "adaptation.upl.tasks: no 'tasks' entry"),
        (
            "adaptation",
            "upl",
            {"tasks": ["few-stream"]},
            "adaptation.upl.best_epoch: the images of the task 'few-stream' come in batches",
        ),
        ("adaptation", "transport", {"best_epoch": True}, "best_epoch: a method without training"),
        ("tasks", "few", {"seen_in": None}, "classes: seen needs seen_in"),
        ("tasks", "few", {"texts": {"descriptions": {"captions": "x"}}}, "tasks.few.texts"),
        (
            "adaptation",
            "transport",
            {"method": {"kind": "optimal_transport", "vision": ["dini"]}},
            "adaptation.transport.method.vision: no 'pretraining' entry is called 'dini'; did you "
            "mean 'dino'",
        ),
    ],
)
def test_what_does_not_fit_is_said(section, name, values, message):
    with pytest.raises(InputError, match=message):
        parse_config(changed(section, name, **values))


def test_classes_are_drawn_by_their_seed():
    def drawn(count, seed=0):
        classes = {"sample": count, "seed": seed, "of": "seen"}
        return task_classes(TaskConfig(dataset="x", classes=classes, seen_in="y"), GROUPS)

    assert drawn(3) == GROUPS["seen"] and drawn(2) == drawn(2) == sorted(drawn(2))
    assert len({tuple(drawn(2, seed)) for seed in range(9)}) == 3
    with pytest.raises(InputError, match="sample: 4, but there are 3 classes"):
        drawn(4)


def test_scores_are_kept_and_become_predictions(tmp_path):
    numbers = np.asarray([[0.2, 0.7, 0.1], [0.5, 0.1, 0.4]], dtype=np.float32)
    write_scores(tmp_path / "s", ClassScores(["i1", "i2"], ["ant", "bee", "cat"], numbers))
    found = scores_as_predictions(read_scores(tmp_path / "s"), {"i1": "bee", "i2": "cat"})
    assert found.classes == [["bee", "ant", "cat"], ["ant", "cat", "bee"]]
    assert found.correct().tolist() == [1, 0] and found.correct(2).tolist() == [1, 1]
    with pytest.raises(InputError, match="1 of 2 images, the first i2, are not of the task"):
        scores_as_predictions(read_scores(tmp_path / "s"), {"i1": "bee", "i2": "dog"})


def test_scores_that_are_no_numbers_are_refused(tmp_path):
    numbers = np.asarray([[np.nan, 1.0]], dtype=np.float32)
    write_scores(tmp_path / "s", ClassScores(["i"], ["ant", "bee"], numbers))
    with pytest.raises(InputError, match="Lower the method's learning rate"):
        read_scores(tmp_path / "s")
