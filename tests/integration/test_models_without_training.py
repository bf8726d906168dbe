"""Somebody's CLIP is judged as it is, from its weights or its folder, without any training."""

import yaml

from nicheclip.config.models import ModelConfig
from nicheclip.evaluation.frame import read_cells
from nicheclip.models.openclip import create, save
from nicheclip.runtime.files import sha256_file
from workflow_run import ROOT, snakemake

DATA = {"kind": "synthetic", "world": {"name": "fungi", "size": 32}}
DATA["world"]["images_per_class"] = {"train": 2, "val": 1, "test": 4}


def test_models_of_somebody_are_judged_without_training(tmp_path):
    registry = ROOT / "workflow/registry/models"
    theirs = create(ModelConfig(architecture="nicheclip-tiny"), seed=5, registry=registry)
    save(theirs, tmp_path / "theirs")
    file = tmp_path / "theirs/open_clip_model.safetensors"
    models = {
        "from-file": {"architecture": "nicheclip-tiny", "pretrained": str(file)},
        "from-folder": {"architecture": f"local-dir:{tmp_path / 'theirs'}"},
    }
    config = {
        "datasets": {"fungi": {"source": DATA, "split": {"method": "given"}}},
        "models": models,
        "evaluation": {"judged": {"dataset": "fungi", "models": [*models], "bootstrap": 100}},
    }
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(config))
    snakemake(tmp_path, "--cores", 1, "results/report.html", config=tmp_path / "my.yaml")
    assert not (tmp_path / "results/models/trained").exists()
    page = (tmp_path / "results/report.html").read_text()
    assert "before training" in page and "Confusion matrix" in page
    for name in models:
        (start,) = tmp_path.glob(f"results/models/start/{name}/*")
        assert sha256_file(start / file.name) == sha256_file(file)
        judged = f"results/evaluate/fungi/test/start/{name}/*/judged/zero_shot/*.json"
        top1 = read_cells(list(tmp_path.glob(judged))).filter(measure="top1").row(0, named=True)
        assert (top1["n"], top1["classes"]) == (12, 3)
        assert name in page
