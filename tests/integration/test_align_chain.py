"""Self-supervision and alignment, from the config to measures and curves."""

import pytest

from nicheclip.evaluation.measures import read_metrics
from nicheclip.models.features import read_features
from nicheclip.runtime.files import read_json
from workflow_run import ROOT, planned_jobs, snakemake

CONFIG = ROOT / "tests/configs/align.yaml"
MODELS = "results/models"
ALIGNED = ("aligned", "published", "fused")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("align")
    snakemake(folder, "--cores", 2, "evaluate", "train", config=CONFIG)
    snakemake(folder, "--cores", 1, "results/figures/training/dino.svg", config=CONFIG)
    return folder


@pytest.mark.slow
def test_an_aligned_model_is_judged_like_any_other(finished):
    for name in ALIGNED:
        manifest = read_json(finished / MODELS / f"aligned/{name}/seed0/manifest.json")
        found = manifest["config"]["map"]
        assert found["features"] == 96 and found["images"] == 30
        assert ("30 images for 96 features" in found["note"]) == (name != "published")
        assert found["mse"] == pytest.approx(4.5 * (1 - found["r2_overall"]), abs=1e-4)
        cell = f"results/evaluate/fungi/test/aligned/{name}/seed0/names/zero_shot/metrics.json"
        assert any(one.name == "top1" for one in read_metrics(finished / cell).measures)


@pytest.mark.slow
def test_what_learns_from_the_train_split_is_judged_on_the_test_split(finished):
    for protocol in ("linear_probe", "knn"):
        cell = f"results/evaluate/fungi/test/aligned/aligned/seed0/learnt/{protocol}/metrics.json"
        found = read_metrics(finished / cell)
        assert found.counts["training_images"] == 30 and found.n == 18
        assert next(one.value for one in found.measures if one.name == "top1") > 1 / 3


@pytest.mark.slow
def test_a_fused_feature_is_between_the_two(finished):
    folder = finished / "results/features/fungi/test"
    own, alone, both = (
        read_features(folder / one / "seed0/images.safetensors").features
        for one in ("trained/clip", "aligned/aligned", "aligned/fused")
    )
    for side in (own, alone):
        assert (both * side).sum(axis=1).min() > (own * alone).sum(axis=1).min()


@pytest.mark.slow
def test_an_other_fusion_weight_aligns_and_encodes_that_model_alone(finished):
    changed = finished / "changed.yaml"
    changed.write_text(CONFIG.read_text().replace("fusion: 0.5", "fusion: 0.6"))
    jobs = planned_jobs(finished, "evaluate", config=changed)
    jobs.pop("evaluate")
    assert jobs == {"align": 1, "encode": 1, "judge": 1}
