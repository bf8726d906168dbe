"""A tiny CLIP and a few coloured squares, for tests of training."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from image_sets import (
    CAPTIONS_FOLDER,
    CLASS_TEXTS_FILE,
    write_class_texts,
    write_images,
    write_row_captions,
)
from nicheclip.config.models import ModelConfig
from nicheclip.config.training import TrainingConfig
from nicheclip.models.openclip import create, save
from nicheclip.runtime.files import write_json
from nicheclip.training.data import TrainingData

COLOURS = {"a": (200, 40, 40), "b": (40, 200, 40), "c": (40, 40, 200)}
NAMES = {"a": "Red thing", "b": "Green thing", "c": "Blue thing"}

TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}
TINY_SIGLIP = TINY | {"init_logit_scale": 2.3, "init_logit_bias": -10.0}
TINY_RESNET = TINY | {
    "vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None}
}


def registry(folder: Path) -> Path:
    """Architecture files of the tiny models."""
    write_json(folder / "tiny.json", TINY)
    write_json(folder / "tiny-custom-text.json", TINY | {"custom_text": True})
    write_json(folder / "tiny-resnet.json", TINY_RESNET)
    write_json(folder / "tiny-bias.json", TINY_SIGLIP)
    return folder


def tiny_clip(folder: Path, architecture: str = "tiny", seed: int = 0):
    """A tiny model with random weights."""
    config = ModelConfig(architecture=architecture)
    return create(config, seed=seed, registry=registry(folder / "registry"))


def jpeg(colour: tuple[int, int, int], seed: int, size: tuple[int, int] = (40, 36)) -> bytes:
    """A noisy image of one colour."""
    noise = np.random.default_rng(seed).integers(-40, 40, (size[1], size[0], 3))
    pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "JPEG")
    return encoded.getvalue()


def write_squares(folder: Path, *, train: int, val: int, tars: int = 2, captions: bool = True):
    """A data set of ``train`` + ``val`` images in three classes, in turn."""
    rows, texts = [], {}
    for i in range(train + val):
        image_id, class_id = f"{i:016x}", "abc"[i % 3]
        split = "train" if i < train else "val"
        row = {"image_id": image_id, "class_id": class_id, "split": split, "tar": i % tars}
        rows.append(row | {"jpg": jpeg(COLOURS[class_id], i)})
        if captions:
            texts[image_id] = f"{NAMES[class_id]} number {i % 7}, seen from above."
    names = {c: {"com": f"a photo of {name}.", "sci": f"a {name}."} for c, name in NAMES.items()}
    write_images(folder, rows, tars=tars)
    write_class_texts(folder, names)
    write_row_captions(folder, texts)
    return folder


def data_of(folder: Path) -> TrainingData:
    """What ``write_squares`` wrote."""
    return TrainingData(folder, folder / CLASS_TEXTS_FILE, folder / CAPTIONS_FOLDER)


def texts_of(folder: Path) -> dict[str, Path]:
    """The texts of what ``write_squares`` wrote, for a run."""
    return {"class_texts": folder / CLASS_TEXTS_FILE, "captions": folder / CAPTIONS_FOLDER}


def start_model(folder: Path, architecture: str = "tiny") -> Path:
    """A folder with a tiny model."""
    save(tiny_clip(folder, architecture), folder / "start")
    return folder / "start"


def training_config(**changes) -> TrainingConfig:
    """A run of a few quick steps."""
    settings = {
        "dataset": "squares",
        "model": "tiny",
        "recipe": {"kind": "multi_positive"},
        "epochs": 3,
        "batch_size": 8,
        "optimizer": {"lr": 1e-3, "weight_decay": 0.1},
        "augment": {"crop_scale": [0.5, 1.0], "flip": True, "rotate": True},
    }
    compute = {"log_every_steps": 1} | changes.pop("compute", {})
    return TrainingConfig.model_validate(settings | changes | {"compute": compute})
