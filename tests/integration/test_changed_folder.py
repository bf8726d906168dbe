"""A folder whose images change, and one whose splits nobody has named."""

import io

import numpy as np
import polars as pl
import pytest
from PIL import Image

from workflow_run import planned_jobs, snakemake

pytestmark = pytest.mark.slow

CONFIG = """
datasets:
  d:
    source: {kind: folder, path: images}
    names: {class_a: apple}
"""


def add(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (16, 16, 3), np.uint8)).save(
        stream, "PNG"
    )
    path.write_bytes(stream.getvalue())


def test_a_changed_folder_is_acquired_anew(tmp_path):
    for number in range(12):
        add(tmp_path / f"images/class_{'ab'[number % 2]}/{number}.png", number)
    (tmp_path / "c.yaml").write_text(CONFIG)
    options = {"config": tmp_path / "c.yaml"}
    snakemake(tmp_path, "--cores", 1, "acquire", **options)
    classes = pl.read_parquet(tmp_path / "results/acquire/d/classes.parquet")
    assert classes.select("class_id", "name").rows() == [
        ("class_a", "apple"),
        ("class_b", "class b"),
    ]
    assert planned_jobs(tmp_path, "acquire", **options) == {}
    add(tmp_path / "images/class_b/new.png", 99)
    planned = planned_jobs(tmp_path, "acquire", **options)
    assert planned == {"acquire_part": 1, "curate_dataset": 1, "acquire": 1}
    (tmp_path / "c.yaml").write_text(CONFIG.replace("path:", "split_folders: true, path:"))
    done = snakemake(tmp_path, "--cores", 1, "--dry-run", "acquire", check=False, **options)
    assert done.returncode == 1
    assert "datasets.d.split: the source gives each image's split" in done.stdout
