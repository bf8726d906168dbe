"""Trained and aligned folders in a process that has open_clip and not this library."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nicheclip.config.alignment import AlignmentConfig
from nicheclip.data.image_set import ImageSet
from nicheclip.models.backbones import create_backbone, save_backbone
from nicheclip.models.encode import encode_images, encode_texts
from nicheclip.models.encode_settings import EncodeSettings
from nicheclip.models.openclip import load
from nicheclip.runtime.files import write_json
from nicheclip.training.align_job import AlignJob
from nicheclip.training.run import TrainingRun, train
from small_training import start_model, texts_of, training_config, write_squares

SCRIPT = Path(__file__).parents[1] / "plain_open_clip.py"
TEXTS = ["a red thing", "a photo of a green thing, seen from above."]
ALIGNED = {
    "ridge": {},
    "steps": {"fit": {"kind": "sgd", "epochs": 2}},
    "fused": {"fusion": 0.5},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny CLIP that was trained, and a backbone that was aligned to it in three ways."""
    folder = tmp_path_factory.mktemp("plain")
    write_squares(folder / "squares", train=12, val=3)
    run = TrainingRun(
        config=training_config(epochs=1),
        start=start_model(folder),
        seed=0,
        output=folder / "trained",
        **texts_of(folder / "squares"),
    )
    train(run, images=folder / "squares", run_folder=folder / "run")
    save_backbone(create_backbone("test_resnet", size=32, seed=0), folder / "backbone")
    for name, changes in ALIGNED.items():
        AlignJob(
            config=AlignmentConfig(dataset="squares", pretraining="dino", run="clip", **changes),
            backbone=folder / "backbone",
            clip=folder / "trained",
            text=folder / "trained",
            images=folder / "squares/train",
            seed=0,
        ).run(folder / name)
    return folder


@pytest.fixture(scope="module")
def plain(folder):
    """Features by name and kind, as open_clip alone gives them."""
    images = []
    for image in ImageSet(folder / "squares/val").read_many(range(3)):
        images.append(folder / f"{image.image_id}.jpg")
        images[-1].write_bytes(image.encoded)
    arguments = {
        "folders": {name: str(folder / name) for name in ("trained", *ALIGNED)},
        "images": [str(image) for image in images],
        "texts": TEXTS,
        "output": str(folder / "plain.npz"),
    }
    write_json(folder / "arguments.json", arguments)
    command = [sys.executable, "-I", str(SCRIPT), str(folder / "arguments.json")]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with np.load(folder / "plain.npz") as found:
        return dict(found)


def ours(folder, name):
    return encode_images(
        load(folder / name), ImageSet(folder / "squares/val"), EncodeSettings(batch_size=2)
    )


@pytest.mark.parametrize("name", ["trained", "ridge", "steps"])
def test_images_have_the_same_features(folder, plain, name):
    found = ours(folder, name).features
    np.testing.assert_allclose(plain[f"{name}-images"], found, atol=1e-5)


@pytest.mark.parametrize("name", ["trained", *ALIGNED])
def test_texts_have_the_same_features(folder, plain, name):
    found = encode_texts(load(folder / name), TEXTS, EncodeSettings(batch_size=2)).features
    np.testing.assert_allclose(plain[f"{name}-texts"], found, atol=1e-5)


def test_a_fused_folder_is_the_aligned_model_alone(folder, plain):
    """open_clip knows no second image tower: it sees what the map of the same fit sees."""
    np.testing.assert_array_equal(plain["fused-images"], plain["ridge-images"])
    assert np.abs(ours(folder, "fused").features - plain["fused-images"]).max() > 1e-3
