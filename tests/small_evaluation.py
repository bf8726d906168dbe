"""Small shards, tables and predictions for tests of evaluation and reporting."""

import io
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
from PIL import Image

from nicheclip.config.evaluation import EvaluationConfig
from nicheclip.config.training import ModelConfig
from nicheclip.data.shard_reader import ShardSet
from nicheclip.data.shards import ShardInputs, write_part, write_sizes
from nicheclip.evaluation.metrics import Cell, JudgedModel
from nicheclip.evaluation.predictions import Predictions
from nicheclip.models.features import ImageFeatures, l2_normalise
from nicheclip.runtime.files import write_json, write_parquet
from nicheclip.schemas import CAPTIONS, CATALOG, CLASSES, IMAGES, TEXTS
from nicheclip.terms import RANKS

COLOURS = {"a": (200, 40, 40), "b": (40, 200, 40), "c": (40, 40, 200)}
NAMES = {"a": "Ant", "b": "Bee", "c": "Cat_$1"}
CONFIG = EvaluationConfig(dataset="squares", bootstrap=200)
CELL = Cell(
    evaluation="task",
    dataset="squares",
    split="test",
    model=JudgedModel(origin="train", name="run"),
    seed=0,
)


def image_id(number: int) -> str:
    return f"{number:016x}"


def jpeg(colour, seed: int, size=(48, 40)) -> bytes:
    noise = np.random.default_rng(seed).integers(-40, 40, (size[1], size[0], 3))
    encoded = io.BytesIO()
    pixels = np.clip(np.asarray(colour) + noise, 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(encoded, "JPEG")
    return encoded.getvalue()


def write_catalog(path: Path, splits: dict[str, int]) -> pl.DataFrame:
    """Images in three classes in turn, so many in each split."""
    rows, number = [], 0
    for split, count in splits.items():
        for _ in range(count):
            rows.append(
                dict.fromkeys(CATALOG.names)
                | {
                    "image_id": image_id(number),
                    "class_id": "abc"[number % 3],
                    "split": split,
                    "part": 0,
                }
            )
            number += 1
    table = pa.Table.from_pylist(rows, schema=CATALOG)
    write_parquet(path, table)
    return pl.from_arrow(table)


def write_classes(path: Path, lineages: dict[str, dict[str, str]] | None = None) -> pl.DataFrame:
    rows = [
        dict.fromkeys([*RANKS, "common"], "")
        | (lineages or {}).get(class_id, {})
        | {"class_id": class_id, "name": name, "images": 1}
        for class_id, name in NAMES.items()
    ]
    table = pa.Table.from_pylist(rows, schema=CLASSES)
    write_parquet(path, table)
    return pl.from_arrow(table)


def class_table(lineages: dict[str, list[str]]) -> pl.DataFrame:
    """Classes with the seven names of each, called by their ids."""
    rows = [
        dict(zip(RANKS, names, strict=True))
        | {"class_id": class_id, "name": class_id, "common": "", "images": 1}
        for class_id, names in lineages.items()
    ]
    return pl.from_arrow(pa.Table.from_pylist(rows, schema=CLASSES))


def write_texts(path: Path) -> None:
    rows = [
        {"class_id": c, "taxon_id": None, "text_type": "com", "name": n, "text": f"a photo of {n}."}
        for c, n in NAMES.items()
    ]
    write_parquet(path, pa.Table.from_pylist(rows, schema=TEXTS))


def write_captions(path: Path, captions: list[tuple[str, str, str, str]]) -> None:
    """Rows of (class_id, text, verdict, split)."""
    rows = [
        {"class_id": c, "text": text, "verdict": verdict, "split": split}
        for c, text, verdict, split in captions
    ]
    write_parquet(path, pa.Table.from_pylist(rows, schema=CAPTIONS))


def write_shards(folder: Path, catalog: pl.DataFrame, captions: dict[str, str]) -> None:
    """One shard per split of images in the colour of their class."""
    encoded = [jpeg(COLOURS[c], seed) for seed, c in enumerate(catalog["class_id"].to_list())]
    images = folder / "images.parquet"
    columns = {"image_id": catalog["image_id"].to_list(), "jpg": encoded}
    write_parquet(images, pa.table(columns, schema=IMAGES))
    write_part(images, 0, ShardInputs(catalog, NAMES, {}, captions, {}), folder)
    write_sizes(folder, 1)


def small_shards(folder: Path, *, train: int = 12, test: int = 9) -> dict[str, ShardSet]:
    catalog = write_catalog(folder / "catalog.parquet", {"train": train, "test": test})
    captions = {
        i: f"caption {number} of {c}"
        for number, (i, c) in enumerate(catalog.select("image_id", "class_id").iter_rows())
    }
    write_shards(folder, catalog, captions)
    return {split: ShardSet(folder / split) for split in ("train", "test")}


def tiny_clip(folder: Path, *, context: int = 12, size: int = 32):
    from nicheclip.models.openclip import create

    settings = {
        "embed_dim": 16,
        "vision_cfg": {
            "image_size": size,
            "layers": 1,
            "width": 32,
            "head_width": 16,
            "patch_size": 16,
        },
        "text_cfg": {
            "context_length": context,
            "vocab_size": 49408,
            "width": 32,
            "heads": 2,
            "layers": 1,
        },
    }
    write_json(folder / "tiny-evaluation.json", settings)
    return create(ModelConfig(architecture="tiny-evaluation"), seed=0, registry=folder)


def unit_features(rows: np.ndarray) -> ImageFeatures:
    return ImageFeatures(l2_normalise(rows), [image_id(i) for i in range(len(rows))])


def predictions_of(pairs: list[tuple[str, str]], classes: str = "abc") -> Predictions:
    """From (label, predicted) pairs; the other classes follow in order."""
    orders = [[best, *(c for c in classes if c != best)] for _, best in pairs]
    return Predictions(
        image_ids=[image_id(i) for i in range(len(pairs))],
        labels=[label for label, _ in pairs],
        classes=orders,
        scores=[[0.7, *[0.3 / (len(classes) - 1)] * (len(classes) - 1)] for _ in pairs],
    )
