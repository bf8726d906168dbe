"""Predictions as people read them: a CSV with the names of files and classes."""

import csv

import pyarrow as pa
import pytest

from nicheclip.evaluation.predictions import Predictions, read_names, write_readable
from nicheclip.runtime.files import write_parquet
from nicheclip.schemas import CATALOG
from small_evaluation import write_classes

KEYS = {"1": "b/wasp.jpg", "2": "a/=bee.jpg", "3": "+1.jpg", "4": None}


@pytest.fixture
def names(tmp_path):
    rows = [
        dict.fromkeys(CATALOG.names) | {"image_id": one, "key": key, "split": split}
        for split in ("train", "test")
        for one, key in KEYS.items()
    ]
    write_parquet(tmp_path / "catalog.parquet", pa.Table.from_pylist(rows, schema=CATALOG))
    write_classes(tmp_path / "classes.parquet")
    return read_names(tmp_path / "catalog.parquet", tmp_path / "classes.parquet", "test")


def read(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_row_for_each_image_in_the_order_of_the_files(tmp_path, names):
    found = Predictions(
        ["1", "2", "3", "4"],
        ["a", "b", "a", "c"],
        [["b", "a"], ["b", "c"], ["a", "b"], ["c", "a"]],
        [[0.75, 0.2], [1 / 3, 0.25], [0.5, 0.5], [1.0, 0.0]],
    )
    write_readable(tmp_path / "p.csv", found, names)
    rows = read(tmp_path / "p.csv")
    assert [(row["file"], row["image_id"]) for row in rows] == [
        ("'+1.jpg", "3"),
        ("4", "4"),
        ("a/=bee.jpg", "2"),
        ("b/wasp.jpg", "1"),
    ]
    assert rows[3] == {
        "file": "b/wasp.jpg",
        "class": "Ant",
        "predicted": "Bee",
        "right": "0",
        "score": "0.75",
        "predicted_2": "Ant",
        "score_2": "0.2",
        **{f"{name}_{place}": "" for place in (3, 4, 5) for name in ("predicted", "score")},
        "image_id": "1",
    }
    assert (rows[2]["right"], rows[2]["score"]) == ("1", "0.333333")


def test_predictions_by_group_say_which(tmp_path, names):
    one = Predictions(["1"], ["a"], [["a"]], [[0.5]])
    write_readable(tmp_path / "p.csv", {("sci", "all"): one, ("com", "seen"): one}, names)
    rows = read(tmp_path / "p.csv")
    assert [(row["text_type"], row["group"], row["file"]) for row in rows] == [
        ("sci", "all", "b/wasp.jpg"),
        ("com", "seen", "b/wasp.jpg"),
    ]
