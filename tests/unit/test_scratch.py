"""Copies of images on a node's own disk."""

import logging
import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from image_sets import write_images
from nicheclip.data import scratch
from nicheclip.data.image_set import ImageSet
from nicheclip.data.scratch import on_scratch
from nicheclip.runtime.errors import InputError

SOURCE = Path(scratch.__file__).parents[2]


@pytest.fixture
def images(tmp_path):
    """Images of one split in two tars, and a tar that does not belong to them."""
    folder = tmp_path / "data"
    row = {"class_id": "a", "split": "train", "jpg": b"jpeg" * 1000}
    rows = [row | {"image_id": f"{i:016x}", "tar": i} for i in range(2)]
    write_images(folder, rows, tars=2)
    (folder / "tars/00002.tar").write_bytes(b"another")
    return folder


def left(folder):
    return [path for path in folder.glob("*") if path.name.startswith("nicheclip-")]


def test_a_copy_holds_the_images_and_is_removed(images, tmp_path):
    with on_scratch(images, str(tmp_path / "disk")) as copy:
        assert copy.parent == tmp_path / "disk"
        files = [path for path in copy.rglob("*") if path.is_file() and path.name != scratch.LOCK]
        names = {path.relative_to(copy).as_posix() for path in files}
        tars = {"tars/00000.tar", "tars/00001.tar"}
        tables = {f"{s}/{name}.arrow" for s in ("train", "val") for name in ("images", "labels")}
        assert names == tars | tables
        for name in names:
            assert (copy / name).read_bytes() == (images / name).read_bytes()
        assert ImageSet(copy / "train").read(1).encoded == b"jpeg" * 1000
        assert ImageSet(copy / "train").tars[0].resolve() == copy / "tars/00000.tar"
    assert left(tmp_path / "disk") == []


def test_without_scratch_nothing_is_copied(images):
    with on_scratch(images, None) as place:
        assert place == images


def test_a_variable_of_the_job_may_name_the_folder(images, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "job"))
    with on_scratch(images, "$TMPDIR") as copy:
        assert copy.parent == tmp_path / "job"
    monkeypatch.delenv("TMPDIR")
    with pytest.raises(InputError, match="not set"), on_scratch(images, "$TMPDIR"):
        pass


def test_a_full_disk_is_reported_and_worked_without(images, tmp_path, monkeypatch, caplog):
    usage = shutil.disk_usage(tmp_path)._replace(free=9999)  # of the 20,480 bytes in two tars
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with on_scratch(images, str(tmp_path / "disk")) as place:
        assert place == images
    assert "are needed, 0.000 GB are free); reading them in place" in caplog.text
    assert left(tmp_path / "disk") == []


def test_a_disk_that_fills_up_is_reported_and_worked_without(images, tmp_path, caplog):
    """/dev/full takes no byte; it stands for the copy of the second tar."""
    original = scratch._copy_file

    def fill(source, target):
        return original(source, Path("/dev/full") if source.name == "00001.tar" else target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scratch, "_copy_file", fill)
        with on_scratch(images, str(tmp_path / "disk")) as place:
            assert place == images
    assert "No space left on device" in caplog.text
    assert left(tmp_path / "disk") == []


def test_a_copy_that_differs_is_not_read(images, tmp_path, monkeypatch, caplog):
    original = scratch._copy_file

    def corrupt(source, target):
        digest = original(source, target)
        if source.name == "00001.tar":
            with target.open("r+b") as stream:
                stream.write(b"?")
        return digest

    monkeypatch.setattr(scratch, "_copy_file", corrupt)
    with on_scratch(images, str(tmp_path / "disk")) as place:
        assert place == images
    assert "00001.tar differs from" in caplog.text


def test_a_killed_jobs_copy_is_removed_by_the_next_and_a_living_ones_is_not(
    images, tmp_path, caplog
):
    disk = tmp_path / "disk"
    code = (
        "import sys, pathlib, time; from nicheclip.data.scratch import on_scratch\n"
        "with on_scratch(pathlib.Path(sys.argv[1]), sys.argv[2]) as copy:\n"
        "    print(copy, flush=True); time.sleep(600)\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(images), str(disk)],
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        copy = Path(other.stdout.readline().strip())
        caplog.set_level(logging.INFO)
        with on_scratch(images, str(disk)) as mine:
            assert copy.is_dir() and mine != copy
    finally:
        other.send_signal(signal.SIGKILL)
        other.communicate()
    assert left(disk) == [copy]
    with on_scratch(images, str(disk)):
        assert not copy.exists()


@pytest.mark.parametrize("kind", ["folder", "lock"])
def test_a_link_where_the_lock_belongs_is_not_followed(images, tmp_path, caplog, kind):
    """In a shared folder its name can be guessed: a link could lead to any file of the user's."""
    disk, target = tmp_path / "disk", tmp_path / "target"
    disk.mkdir()
    target.mkdir()
    if kind == "folder":
        (disk / scratch.PRIVATE).symlink_to(target)
        with on_scratch(images, str(disk)) as place:
            assert place == images
        assert f"{scratch.PRIVATE} is a link or another user's" in caplog.text
    else:
        (disk / scratch.PRIVATE).mkdir()
        (disk / scratch.PRIVATE / scratch.LOCK).symlink_to(target / "made")
        with pytest.raises(InputError, match="a link or a device"), on_scratch(images, str(disk)):
            pass
    assert not list(target.iterdir()) and left(disk) == []


def test_another_users_folder_does_not_hold_the_job(images, tmp_path, monkeypatch, caplog):
    """Who makes the folder first cannot stop the job, only the copy, and the log says so."""
    (tmp_path / "disk" / scratch.PRIVATE).mkdir(parents=True)
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with on_scratch(images, str(tmp_path / "disk")) as place:
        assert place == images
    assert "another user's, expected a folder of your own" in caplog.text


def test_nobody_else_can_hold_the_lock(images, tmp_path):
    disk = tmp_path / "disk"
    (disk / scratch.PRIVATE).mkdir(parents=True)
    (disk / scratch.PRIVATE).chmod(0o777)
    with on_scratch(images, str(disk)) as copy:
        assert copy != images
    assert stat.S_IMODE((disk / scratch.PRIVATE).stat().st_mode) == 0o700
    assert [path.name for path in disk.iterdir()] == [scratch.PRIVATE]


def test_links_that_look_like_left_copies_are_left_alone(images, tmp_path):
    disk, target = tmp_path / "disk", tmp_path / "target"
    disk.mkdir()
    target.mkdir()
    (target / "mine").write_text("kept")
    (disk / f"{scratch.PREFIX}old").symlink_to(target)
    with on_scratch(images, str(disk)) as copy:
        assert copy.parent == disk
    assert [path.name for path in target.iterdir()] == ["mine"]
