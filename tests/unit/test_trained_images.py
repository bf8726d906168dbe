import polars as pl
import pyarrow as pa
import pytest

from nicheclip.evaluation.frame import COLUMNS
from nicheclip.evaluation.trained_images import NEAR, SAME, measure_trained
from nicheclip.reporting.evaluation_table import evaluation_table
from nicheclip.runtime.files import write_parquet
from nicheclip.schemas import CATALOG


def catalog(path, rows):
    """Rows of (bytes, perceptual hash, split)."""
    table = [
        dict.fromkeys(CATALOG.names)
        | {"image_id": f"{i:016x}", "sha256": sha * 64, "phash": phash, "split": split}
        for i, (sha, phash, split) in enumerate(rows)
    ]
    write_parquet(path, pa.Table.from_pylist(table, schema=CATALOG))
    return path


@pytest.fixture
def trained(tmp_path):
    rows = [("a", 0b1111, "train"), ("b", 1 << 63, "train"), ("c", 0, "test")]
    return catalog(tmp_path / "trained.parquet", rows)


def test_the_same_bytes_and_other_versions_are_counted_apart(tmp_path, trained, caplog):
    judged = [
        ("a", 0b1111, "test"),  # the same image
        ("d", 0b1111 | 0b1111 << 8, "test"),  # four other bits
        ("e", 0b1111 | 0b11111 << 8, "test"),  # five
        ("f", 1 << 63, "test"),  # the same hash
        ("b", 1 << 63, "train"),  # not judged
        ("c", 1 << 40 | 0b1111 << 20, "test"),  # its twin is for test there too
    ]
    path = catalog(tmp_path / "judged.parquet", judged)
    found = {one.name: (one.value, one.n) for one in measure_trained(path, "test", trained)}
    assert found == {SAME: (1 / 5, 5), NEAR: (2 / 5, 5)}
    assert "of the 5 images of test, 1 trained" in caplog.text and "versions of 2" in caplog.text


def test_versions_are_not_counted_where_images_have_no_hash(tmp_path, trained):
    path = catalog(tmp_path / "judged.parquet", [("a", None, "test"), ("d", 0b1111, "test")])
    found = measure_trained(path, "test", trained)
    assert [(one.name, one.value) for one in found] == [(SAME, 1 / 2)]


def test_other_images_are_no_reason_for_a_word(tmp_path, trained, caplog):
    path = catalog(tmp_path / "judged.parquet", [("x", 0xFFFF << 30, "test")])
    assert [one.value for one in measure_trained(path, "test", trained)] == [0, 0]
    assert measure_trained(path, "val", trained)[0].value == 0  # an empty split
    assert caplog.text == ""


def test_the_table_says_which_model_saw_what_it_is_judged_on():
    cell = {"source": "m", "kind": "trained", "name": "run", "variant": "seed0", "seed": 0}
    cell |= {"evaluation": "e", "dataset": "d", "split": "test", "protocol": "zero_shot"}
    cell |= {"cell_n": 40, "cell_classes": 2, "n": 40}
    values = {"top1": 0.5, SAME: 0.25, NEAR: 0.0}
    rows = [cell | {"measure": name, "value": value} for name, value in values.items()]
    table = evaluation_table("e", pl.DataFrame(rows, schema=COLUMNS), scale="paper")
    assert "run: 25.0% of the 40 images of d/test trained." in table.notes
    assert len(table.rows) == 1
