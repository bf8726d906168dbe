"""The judging job: what it imports, and how it finds protocols and files."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nicheclip
from nicheclip.config.evaluation import PROTOCOL_OPTIONS
from nicheclip.evaluation import judge as module
from nicheclip.evaluation.gallery import Gallery, GalleryItems
from nicheclip.evaluation.measures import Measure, read_metrics
from nicheclip.evaluation.text_sets import (
    GalleryEmbeddings,
    write_class_embeddings,
    write_gallery_embeddings,
)
from nicheclip.models.features import write_features
from nicheclip.runtime.errors import InputError
from small_evaluation import (
    cell_file,
    embeddings_of,
    image_id,
    judge_one,
    unit_features,
    write_catalog,
    write_classes,
)
from workflow_run import ROOT

HEAVY = ("torch", "open_clip", "torchvision", "sklearn", "scipy", "matplotlib", "pandas")
PROTOCOLS = [name for name in PROTOCOL_OPTIONS if name != "colour_histogram"]


def imports_of(script):
    """The import statements of a script of the workflow."""
    lines = (ROOT / "scripts" / script).read_text().split("if TYPE_CHECKING")[0]
    assert "import" in lines
    return lines


def heavy_modules(code):
    code += f"\nimport sys; print(*[m for m in {HEAVY} if m in sys.modules])"
    source = Path(nicheclip.__file__).parents[1]
    run = [sys.executable, "-c", code]
    env = {"PYTHONPATH": str(source)}
    return subprocess.run(run, check=True, env=env, capture_output=True, text=True).stdout.split()


def test_judging_loads_neither_torch_nor_scipy():
    protocols = "".join(f"import {module.PROTOCOLS}.{name}\n" for name in PROTOCOLS)
    assert heavy_modules(imports_of("judge.py") + protocols) == []
    assert heavy_modules(imports_of("draw_folds.py")) == []


def test_a_table_of_one_seed_loads_no_scipy():
    assert heavy_modules(imports_of("make_table.py")) == []


def test_only_the_baseline_learns():
    loaded = heavy_modules(imports_of("judge_colour_histogram.py"))
    assert "sklearn" in loaded and not {"torch", "open_clip", "torchvision"} & set(loaded)


def test_encoding_needs_a_model():
    assert {"torch", "open_clip"} <= set(heavy_modules(imports_of("encode.py")))


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_is_a_file_of_its_name(name):
    folder = Path(module.__file__).parent / "protocols"
    assert (folder / f"{name}.py").is_file()


def test_a_protocol_is_one_file_that_is_found_by_its_name(tmp_path, monkeypatch):
    """It needs nothing but a module ``judge(task)`` and its options in the config is needed."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(module, "PROTOCOLS", "own")
    (tmp_path / "own").mkdir()
    source = """
from nicheclip.evaluation.measures import Measure
from nicheclip.evaluation.task import Judged

def judge(task):
    split = task.split()
    share = Measure(name="top1", value=1.0, n=len(split.labels))
    return Judged(n=len(split.labels), classes=len(split.classes), measures=[share])
"""
    (tmp_path / "own" / "always_right.py").write_text(source)
    monkeypatch.setitem(PROTOCOL_OPTIONS, "always_right", ("classes", "seen_in"))
    write_catalog(tmp_path / "catalog.parquet", {"train": 2, "test": 9})
    write_classes(tmp_path / "classes.parquet")
    images = unit_features(np.ones((11, 4)))
    ids = images.image_ids[2:]
    kept = type(images)(images.features[2:], ids)
    write_features(tmp_path / "features" / "seed0" / "images.safetensors", kept)
    metrics = judge_one(tmp_path, "always_right")
    assert (metrics.n, metrics.classes, metrics.protocol) == (9, 3, "always_right")
    assert metrics.measures == [Measure(name="top1", value=1.0, n=9)]
    assert read_metrics(cell_file(tmp_path, "always_right", "metrics.json")) == metrics
    assert metrics.cost.wall_seconds >= 0 and str(metrics.subject) == "trained/run/seed0"


@pytest.mark.parametrize(
    ("protocol", "name", "write"),
    [
        ("zero_shot", "templates.photo.com", write_class_embeddings),
        ("retrieval", "gallery", write_gallery_embeddings),
    ],
)
def test_texts_of_another_model_than_the_images_are_named(tmp_path, protocol, name, write):
    write_catalog(tmp_path / "catalog.parquet", {"test": 9})
    write_classes(tmp_path / "classes.parquet")
    folder = tmp_path / "features" / "seed0"
    write_features(folder / "images.safetensors", unit_features(np.ones((9, 4))))
    texts = embeddings_of(["a", "b", "c"], np.eye(3))
    if protocol == "retrieval":
        gallery = Gallery(texts.class_ids, ["x", "y", "z"])
        items = GalleryItems(gallery, [image_id(0)], np.zeros(1, np.int64))
        texts = GalleryEmbeddings(items, texts.embeddings, 0, 20.0)
    file = folder / "texts" / f"{name}.safetensors"
    write(file, texts, "key")
    words = rf"{file}: features of 3 numbers, but those of the images beside it have 4; .*forcerun"
    with pytest.raises(InputError, match=words):
        judge_one(tmp_path, protocol)
