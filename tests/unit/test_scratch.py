"""Copies of shards on a node's own disk."""

import logging
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from nicheclip.data import scratch
from nicheclip.data.scratch import on_scratch
from nicheclip.data.split_index import write_split_index
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import write_parquet
from nicheclip.schemas import INDEX_FILE, SHARD_INDEX

SOURCE = Path(scratch.__file__).parents[2]


@pytest.fixture
def shards(tmp_path):
    """Two shards of one split, and a tar that does not belong to them."""
    folder, indexes = tmp_path / "shards", tmp_path / "indexes"
    (folder / "train").mkdir(parents=True)
    for name in ("00000", "00001", "00002"):
        (folder / f"train/{name}.tar").write_bytes(name.encode() * 1000)
        row = dict.fromkeys(SHARD_INDEX.names, 0) | {"image_id": name, "class_id": "a"}
        write_parquet(indexes / name, pa.Table.from_pylist([row], schema=SHARD_INDEX))
    write_split_index([indexes / "00000", indexes / "00001"], folder / "train" / INDEX_FILE)
    return folder


def left(folder):
    return [path for path in folder.glob("*") if path.name.startswith("nicheclip-")]


def test_a_copy_holds_the_shards_and_is_removed(shards, tmp_path):
    with on_scratch(shards, str(tmp_path / "disk")) as copy:
        assert copy.parent == tmp_path / "disk"
        names = sorted(path.name for path in (copy / "train").iterdir())
        assert names == ["00000.tar", "00001.tar", INDEX_FILE]
        for name in names:
            assert (copy / "train" / name).read_bytes() == (shards / "train" / name).read_bytes()
    assert left(tmp_path / "disk") == []


def test_without_scratch_nothing_is_copied(shards):
    with on_scratch(shards, None) as place:
        assert place == shards


def test_a_variable_of_the_job_may_name_the_folder(shards, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "job"))
    with on_scratch(shards, "$TMPDIR") as copy:
        assert copy.parent == tmp_path / "job"
    monkeypatch.delenv("TMPDIR")
    with pytest.raises(InputError, match="not set"), on_scratch(shards, "$TMPDIR"):
        pass


def test_a_full_disk_is_reported_and_worked_without(shards, tmp_path, monkeypatch, caplog):
    usage = shutil.disk_usage(tmp_path)._replace(free=9999)  # of the 10,000 bytes in two tars
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with on_scratch(shards, str(tmp_path / "disk")) as place:
        assert place == shards
    assert "are needed, 0.000 GB are free); reading them in place" in caplog.text
    assert left(tmp_path / "disk") == []


def test_a_disk_that_fills_up_is_reported_and_worked_without(shards, tmp_path, caplog):
    """/dev/full takes no byte; it stands for the copy of the second tar."""
    original = scratch._copy_file

    def fill(source, target):
        return original(source, Path("/dev/full") if source.name == "00001.tar" else target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scratch, "_copy_file", fill)
        with on_scratch(shards, str(tmp_path / "disk")) as place:
            assert place == shards
    assert "No space left on device" in caplog.text
    assert left(tmp_path / "disk") == []


def test_a_copy_that_differs_is_not_read(shards, tmp_path, monkeypatch, caplog):
    original = scratch._copy_file

    def corrupt(source, target):
        digest = original(source, target)
        if source.name == "00001.tar":
            with target.open("r+b") as stream:
                stream.write(b"?")
        return digest

    monkeypatch.setattr(scratch, "_copy_file", corrupt)
    with on_scratch(shards, str(tmp_path / "disk")) as place:
        assert place == shards
    assert "00001.tar differs from" in caplog.text


def test_a_killed_jobs_copy_is_removed_by_the_next_and_a_living_ones_is_not(
    shards, tmp_path, caplog
):
    disk = tmp_path / "disk"
    code = (
        "import sys, pathlib, time; from nicheclip.data.scratch import on_scratch\n"
        "with on_scratch(pathlib.Path(sys.argv[1]), sys.argv[2]) as copy:\n"
        "    print(copy, flush=True); time.sleep(600)\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(shards), str(disk)],
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        copy = Path(other.stdout.readline().strip())
        caplog.set_level(logging.INFO)
        with on_scratch(shards, str(disk)) as mine:
            assert copy.is_dir() and mine != copy
    finally:
        other.send_signal(signal.SIGKILL)
        other.communicate()
    assert left(disk) == [copy]
    with on_scratch(shards, str(disk)):
        assert not copy.exists()
