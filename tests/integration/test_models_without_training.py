"""Somebody's CLIP is judged as it is, from its weights or its folder, without any training."""

import pytest
import yaml

from nicheclip.config.training import ModelConfig
from nicheclip.evaluation.frame import read_cells
from nicheclip.models.openclip import create, save
from nicheclip.runtime.files import sha256_file
from workflow_run import ROOT, snakemake

DATA = {"kind": "synthetic", "world": {"name": "fungi", "size": 32}}
DATA["world"]["images_per_class"] = {"train": 2, "val": 1, "test": 4}


@pytest.mark.parametrize("given", ["file", "folder"])
def test_a_model_of_somebody_is_judged_without_training(tmp_path, given):
    registry = ROOT / "workflow/registry/models"
    theirs = create(ModelConfig(architecture="nicheclip-tiny"), seed=5, registry=registry)
    save(theirs, tmp_path / "theirs")
    file = tmp_path / "theirs/open_clip_model.safetensors"
    model = {"architecture": "nicheclip-tiny", "pretrained": str(file)}
    if given == "folder":
        model = {"architecture": f"local-dir:{tmp_path / 'theirs'}"}
    config = {
        "datasets": {"fungi": {"source": DATA, "split": {"method": "given"}}},
        "models": {"theirs": model},
        "evaluation": {"judged": {"dataset": "fungi", "models": ["theirs"], "bootstrap": 100}},
    }
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(config))
    snakemake(tmp_path, "--cores", 1, "results/report.html", config=tmp_path / "my.yaml")
    (start,) = tmp_path.glob("results/models/start/theirs/*")
    assert sha256_file(start / file.name) == sha256_file(file)
    assert not (tmp_path / "results/models/trained").exists()
    metrics = tmp_path.glob("results/evaluate/fungi/test/start/theirs/*/judged/zero_shot/*.json")
    top1 = read_cells(list(metrics)).filter(measure="top1").row(0, named=True)
    assert (top1["n"], top1["classes"]) == (12, 3)
    page = (tmp_path / "results/report.html").read_text()
    assert "theirs" in page and "before training" in page and "Confusion matrix" in page
