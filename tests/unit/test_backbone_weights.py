"""Image models that start from, or are aligned with, weights of others."""

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from nicheclip.config.alignment import AlignmentConfig
from nicheclip.config.pretraining import PretrainingConfig
from nicheclip.models.backbones import create_backbone, load_backbone, save_backbone
from nicheclip.models.openclip import load, save
from nicheclip.runtime.errors import InputError
from nicheclip.training.align_job import AlignJob
from nicheclip.training.objectives.dino import Dino
from small_pretraining import RECIPE, pretraining_config
from small_training import tiny_clip, write_squares


@pytest.fixture
def others(tmp_path, monkeypatch):
    """Weights with a classifier, in a folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(1)
    model = timm.create_model("test_resnet", pretrained=False, num_classes=7)
    torch.save({"state_dict": model.state_dict()}, tmp_path / "theirs.pth")
    save_file(model.state_dict(), tmp_path / "theirs.safetensors")
    return model.state_dict()


def same(model, others):
    return all(torch.equal(tensor, others[name]) for name, tensor in model.state_dict().items())


def test_files_and_urls_give_the_weights_without_the_classifier(others, tmp_path):
    files = [tmp_path / f"theirs.{suffix}" for suffix in ("pth", "safetensors")]
    for weights in (*map(str, files), files[0].as_uri()):
        assert same(create_backbone("test_resnet", size=32, seed=0, weights=weights).model, others)
    assert not same(create_backbone("test_resnet", size=32, seed=0).model, others)


@pytest.mark.parametrize(
    ("architecture", "weights", "message"),
    [
        (
            "test_vit",
            "theirs.pth",
            r"theirs\.pth: \d+ weights are not those of test_vit, the first",
        ),
        ("test_resnet", "no.pth", r"no\.pth: expected weights of test_resnet; it cannot be read"),
        ("test_resnet", "dino", r"'dino' is neither a file .* of test_resnet \(r160_in1k\)"),
    ],
)
def test_weights_that_do_not_fit_are_refused(others, architecture, weights, message):
    with pytest.raises(InputError, match=message):
        create_backbone(architecture, size=160, seed=0, weights=weights)


def test_a_url_names_a_file():
    with pytest.raises(ValueError, match="expected a http, https or file URL that ends in a file"):
        PretrainingConfig(
            dataset="a", backbone="resnet50", weights="ftp://example.org/x.pth", recipe=RECIPE
        )


def test_a_run_starts_from_them(others, tmp_path):
    write_squares(tmp_path / "squares", train=8, val=2, captions=False)
    config, plain = pretraining_config(weights="theirs.pth"), pretraining_config()
    run, random = (Dino(one, images=tmp_path / "squares", seed=0) for one in (config, plain))
    assert same(run.module.backbone, others) and not same(random.module.backbone, others)
    assert "weights" in run.inputs() and "weights" not in random.inputs()
    assert config.determines()["weights"] == "theirs.pth" and "weights" not in plain.determines()


def test_they_are_aligned_as_a_trained_backbone_is(others, tmp_path):
    write_squares(tmp_path / "squares", train=20, val=4, captions=False)
    save(tiny_clip(tmp_path, seed=0), tmp_path / "clip")
    given = {"architecture": "test_resnet", "weights": "theirs.pth", "size": 32}
    save_backbone(
        create_backbone("test_resnet", size=32, seed=0, weights="theirs.pth"), tmp_path / "folder"
    )
    maps = [
        AlignJob(
            config=AlignmentConfig(dataset="squares", model="tiny", **source),
            backbone=folder,
            clip=tmp_path / "clip",
            text=tmp_path / "clip",
            images=tmp_path / "squares/train",
            seed=0,
        ).run(tmp_path / name)[1]
        for name, folder, source in (
            ("given", None, {"backbone": given}),
            ("trained", tmp_path / "folder", {"pretraining": "dino"}),
        )
    ]
    np.testing.assert_array_equal(maps[0].weight, maps[1].weight)
    assert load(tmp_path / "given").image_size == load_backbone(tmp_path / "folder").facts.size


def test_an_alignment_names_one_image_model():
    given = {"architecture": "resnet50", "weights": "theirs.pth"}
    for both in ({}, {"pretraining": "dino", "backbone": given}):
        with pytest.raises(ValueError, match="give one of pretraining and backbone"):
            AlignmentConfig(dataset="a", model="b", **both)
