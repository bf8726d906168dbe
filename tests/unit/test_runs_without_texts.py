"""Runs that train no text tower: what judges them, what refuses them, what they read."""

import copy
import shutil
from pathlib import Path

import pytest
import yaml

from nicheclip.config.workflow import parse_config
from nicheclip.plan.given_files import missing_data
from nicheclip.plan.plan import Plan
from nicheclip.plan.training_inputs import lineages, replayed
from nicheclip.runtime.errors import InputError

ROOT = Path(__file__).parents[2]
REGISTRY = ROOT / "workflow/registry"

CONFIG = yaml.safe_load("""
datasets:
  fish: {source: {kind: folder, path: fish}}
models:
  small: {architecture: nicheclip-small}
training:
  pairs: &run
    dataset: fish
    model: small
    recipe: {kind: contrastive}
    texts: {types: {com: 1}}
    epochs: 1
    batch_size: 8
  classes: {<<: *run, recipe: {kind: classification}, texts: {types: {caption: 1}}}
  ranks: {<<: *run, recipe: {kind: hierarchical_classification}}
evaluation:
  all: {dataset: fish, protocols: [zero_shot, few_shot], baseline: false}
  few: {dataset: fish, runs: [classes], protocols: [few_shot], baseline: false}
""")


def plan(registry=REGISTRY, **changes):
    values = copy.deepcopy(CONFIG)
    for section, entries in changes.items():
        values.setdefault(section, {}).update(entries)
    return Plan(parse_config(values), registry)


def test_they_are_judged_by_images_alone():
    found = {(str(cell.subject), cell.protocol) for cell in plan().cells("all")}
    both = {"zero_shot", "few_shot"}
    assert {p for s, p in found if s == "trained/pairs/seed0"} == both
    assert {p for s, p in found if s == "start/small/seed0"} == both
    for run in ("classes", "ranks"):
        assert {p for s, p in found if s == f"trained/{run}/seed0"} == {"few_shot"}


def test_no_text_is_encoded_for_them():
    jobs = plan().subject_jobs.values()
    texts = {job.name: plan().text_sets(job) for job in jobs if job.kind == "trained"}
    assert texts["classes"] == texts["ranks"] == [] and texts["pairs"]


def test_a_named_run_is_refused_with_the_reason():
    task = {"dataset": "fish", "runs": ["pairs", "classes"], "protocols": ["few_shot", "zero_shot"]}
    words = r"evaluation.z.protocols: zero_shot compares images with texts, and the run 'classes' "
    with pytest.raises(InputError, match=words + r"\(recipe classification\) trains no text tower"):
        plan(evaluation={"z": task | {"baseline": False}})


def test_nothing_is_adapted_from_them():
    words = "adaptation.a.run: adapting starts from the texts .* the run 'ranks'"
    with pytest.raises(InputError, match=words):
        plan(
            tasks={"t": {"dataset": "fish"}},
            adaptation={"a": {"method": {"kind": "clip"}, "run": "ranks", "tasks": ["t"]}},
        )


def test_they_read_no_captions_and_the_ranks_only_where_they_train_by_them():
    """`texts` is not looked at: the data set has no captions."""
    found = plan()
    assert found.training_captions("classes") == []
    assert lineages(found, "ranks") == [
        "results/taxonomy/fish/taxa.parquet", "results/taxonomy/fish/texts.parquet",
    ]  # fmt: skip
    assert lineages(found, "classes") == lineages(found, "pairs") == []


def test_a_set_that_is_mixed_in_is_read_with_its_texts():
    run = CONFIG["training"]["pairs"]
    birds = {"source": {"kind": "folder", "path": "birds"}}
    replay = {"dataset": "birds", "share": 0.1, "texts": {"types": {"com": 1}}}
    found = plan(datasets={"birds": birds}, training={"pairs": run | {"replay": replay}})
    assert replayed(found, "pairs") == [
        "results/acquire/birds/train/images.arrow", "results/acquire/birds/train/labels.arrow",
        "results/taxonomy/birds/class_texts.arrow",
    ]  # fmt: skip
    assert replayed(found, "ranks") == []
    ranks = CONFIG["training"]["ranks"] | {"replay": replay}
    with pytest.raises(InputError, match="replay: the recipe hierarchical_classification reads no"):
        plan(datasets={"birds": birds}, training={"ranks": ranks})
    with pytest.raises(InputError, match=r"training\.pairs\.replay\.dataset: no 'datasets'"):
        plan(training={"pairs": run | {"replay": replay}})


@pytest.mark.parametrize("ranks", [["species", "genus"], ["genus", "genus"], []])
def test_ranks_go_down(ranks):
    run = CONFIG["training"]["ranks"]
    recipe = {"kind": "hierarchical_classification", "ranks": ranks}
    with pytest.raises(InputError, match=r"training\.ranks\.recipe"):
        plan(training={"ranks": run | {"recipe": recipe}})


def test_a_dry_run_says_which_data_is_not_to_be_had(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    registry = tmp_path / "registry"
    shutil.copytree(REGISTRY, registry)
    (registry / "datasets/unread.yaml").write_text("missing: A reader.\n")
    datasets = {
        name: {"source": {"kind": "registry", "name": name}, "split": {"method": "given"}}
        for name in ("nabirds", "unread")
    }
    by_hand, unread = missing_data(plan(registry, datasets=datasets))
    assert by_hand.startswith("datasets.nabirds: put ") and "results/downloads/nabirds" in by_hand
    assert unread == "datasets.unread: cannot be read yet. Missing: A reader."
    assert not missing_data(plan())
