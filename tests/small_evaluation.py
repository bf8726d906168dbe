"""Small image sets, tables and predictions for tests of evaluation and reporting."""

import io
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
from PIL import Image

from image_sets import CAPTIONS_FOLDER, write_images, write_row_captions
from nicheclip.config.evaluation import EvaluationConfig
from nicheclip.config.models import ModelConfig
from nicheclip.data.image_set import ImageSet
from nicheclip.data.sample_texts import captions_file
from nicheclip.evaluation.encoding import EncodedFile, EncodingJob, Method, TextSources
from nicheclip.evaluation.judge import SubjectFiles, judge_subjects
from nicheclip.evaluation.measures import CellMetrics
from nicheclip.evaluation.predictions import Predictions
from nicheclip.evaluation.requests import read_requests
from nicheclip.evaluation.seen_classes import ClassGroups, SeenFiles
from nicheclip.evaluation.split_tables import SplitTables
from nicheclip.evaluation.text_sets import ClassEmbeddings
from nicheclip.models.encode_settings import EncodeSettings
from nicheclip.models.features import ImageFeatures, l2_normalise
from nicheclip.runtime.files import write_json, write_parquet
from nicheclip.schemas import CAPTIONS, CATALOG, CLASSES, TEXTS
from nicheclip.subjects import Subject
from nicheclip.terms import RANKS

COLOURS = {"a": (200, 40, 40), "b": (40, 200, 40), "c": (40, 40, 200)}
NAMES = {"a": "Ant", "b": "Bee", "c": "Cat_$1"}
CONFIG = EvaluationConfig(dataset="squares", bootstrap=200)
SUBJECT = Subject(kind="trained", name="run", variant="seed0")


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


def write_image_sets(folder: Path, catalog: pl.DataFrame, captions: dict[str, str]) -> None:
    """Images in the colour of their class, all in one tar."""
    rows = catalog.select("image_id", "class_id", "split").to_dicts()
    encoded = [{"jpg": jpeg(COLOURS[row["class_id"]], n), "tar": 0} for n, row in enumerate(rows)]
    write_images(folder, [row | more for row, more in zip(rows, encoded, strict=True)])
    write_row_captions(folder, captions)


def small_image_sets(folder: Path, *, train: int = 12, test: int = 9) -> dict[str, ImageSet]:
    catalog = write_catalog(folder / "catalog.parquet", {"train": train, "test": test})
    captions = {
        i: f"caption {number} of {c}"
        for number, (i, c) in enumerate(catalog.select("image_id", "class_id").iter_rows())
    }
    write_image_sets(folder, catalog, captions)
    return {split: ImageSet(folder / split) for split in ("train", "test")}


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


def sources(folder: Path, split: str = "test") -> TextSources:
    """The files of texts in ``folder``: templates ``photo``, captions ``c`` and the images' own."""
    captions, own = folder / "captions.parquet", captions_file(folder / CAPTIONS_FOLDER, split)
    templates = {"photo": folder / "photo.yaml"}
    return TextSources(
        folder / "texts.parquet", templates, {"c": captions}, own if own.is_file() else None
    )


def encode_all(
    folder: Path, split: str, text_sets, open_encoder, models=None, **method
) -> list[EncodedFile]:
    """Encode the split of ``folder`` and the text sets into ``folder/features``."""
    named = ("batch_size", "device", "precision")
    settings = EncodeSettings(
        **{"batch_size": 4} | {n: method.pop(n) for n in named if n in method}
    )
    how = {"settings": settings, "image_code": "i", "text_code": "t"} | method
    job = EncodingJob(
        folder / "features",
        images=ImageSet(folder / split),
        catalog=folder / "catalog.parquet",
        text_sets=text_sets,
        sources=sources(folder, split),
        method=Method(**how),
        open_encoder=open_encoder,
    )
    return job.run(models or {SUBJECT.variant: folder / "model"})


def judge_one(folder: Path, protocol: str, folds: Path | None = None, **options) -> CellMetrics:
    """Judge the features in ``folder/features`` on the test split; files go to ``folder/out``.

    The classes that have train images in ``folder/seen.parquet`` (or in the catalog) are seen.
    """
    plain = EvaluationConfig(dataset="squares", baseline=False, bootstrap=200, **options)
    options = plain.options(protocol)
    cell = {"evaluation": "task", "protocol": protocol, "options": options}
    cell["variants"] = [SUBJECT.variant]
    requests = read_requests([cell], dataset="squares", split="test")
    seen = folder / "seen.parquet"
    catalog, classes = folder / "catalog.parquet", folder / "classes.parquet"
    files = SeenFiles(seen if seen.is_file() else catalog, classes)
    found = judge_subjects(
        [SUBJECT],
        requests,
        SplitTables("squares", "test", catalog, classes),
        SubjectFiles(
            features=folder / "features",
            learnt_from={
                split: there
                for split in ("train", "val")
                if (there := folder / f"{split}-features").is_dir()
            },
            folds={"task": folds} if folds else {},
        ),
        ClassGroups(classes, {"squares": files}),
        seed=0,
        job=folder / "out",
    )
    return found[0]


def cell_file(folder: Path, protocol: str, name: str) -> Path:
    """A file of the cell that ``judge_one`` judged."""
    return folder / "out" / SUBJECT.variant / "task" / protocol / name


def embeddings_of(class_ids: list[str], vectors: np.ndarray) -> ClassEmbeddings:
    """One text for each class, none cut, logit scale 20."""
    ones = np.ones(len(class_ids), np.int64)
    return ClassEmbeddings(class_ids, l2_normalise(vectors), ones, 0 * ones, 20.0)


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
