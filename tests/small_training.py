"""A tiny CLIP and shards of a few coloured squares, for tests of training."""

import io
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from nicheclip.config.training import ModelConfig, TrainingConfig
from nicheclip.data.shards import ShardInputs, join_indexes, write_part
from nicheclip.models.openclip import create, save
from nicheclip.runtime.files import write_json, write_parquet
from nicheclip.schemas import CATALOG, IMAGES

COLOURS = {"a": (200, 40, 40), "b": (40, 200, 40), "c": (40, 40, 200)}
NAMES = {"a": "Red thing", "b": "Green thing", "c": "Blue thing"}

TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}
TINY_RESNET = TINY | {
    "vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None}
}


def registry(folder: Path) -> Path:
    """Architecture files of the tiny models."""
    write_json(folder / "tiny.json", TINY)
    write_json(folder / "tiny-custom-text.json", TINY | {"custom_text": True})
    write_json(folder / "tiny-resnet.json", TINY_RESNET)
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


def write_shards(folder: Path, *, train: int, val: int, parts: int = 2, captions: bool = True):
    """Shards of ``train`` + ``val`` images in three classes, in turn."""
    rows, encoded, texts = [], [], {}
    for i in range(train + val):
        image_id, class_id = f"{i:016x}", "abc"[i % 3]
        rows.append(
            dict.fromkeys(CATALOG.names)
            | {
                "image_id": image_id,
                "class_id": class_id,
                "split": "train" if i < train else "val",
                "part": i % parts,
            }
        )
        encoded.append((image_id, jpeg(COLOURS[class_id], i), i % parts))
        if captions:
            texts[image_id] = f"{NAMES[class_id]} number {i % 7}, seen from above."
    names = {c: {"com": f"a photo of {name}.", "sci": f"a {name}."} for c, name in NAMES.items()}
    catalog = pl.from_dicts(rows, infer_schema_length=None)
    inputs = ShardInputs(catalog, NAMES, names, texts, {})
    for part in range(parts):
        images = folder / f"images-{part}.parquet"
        members = [(image_id, data) for image_id, data, where in encoded if where == part]
        table = pl.DataFrame(members, schema=["image_id", "jpg"], orient="row")
        write_parquet(images, table.to_arrow().cast(IMAGES))
        write_part(images, part, inputs, folder)
    join_indexes(folder, parts)
    return folder


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
