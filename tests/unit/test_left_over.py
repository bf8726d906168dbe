"""What a killed process leaves goes a day later; what another writes now stays."""

import os
import time

import pytest

from nicheclip.runtime.files import atomic_path
from nicheclip.runtime.left_over import SECONDS, remove_left_over

NAMES = ("rows.parquet", "00000.tar", "owner", "train.json")


@pytest.mark.parametrize("name", NAMES)
def test_only_old_temporary_files_go(tmp_path, name):
    folder = tmp_path / "a/b"
    folder.mkdir(parents=True)
    (folder / name).touch()
    os.utime(folder / name, (0, 0))
    with atomic_path(folder / name) as temporary:
        assert remove_left_over(tmp_path) == 0 and temporary.exists()
        old = time.time() - SECONDS - 1
        os.utime(temporary, (old, old))
        assert remove_left_over(tmp_path) == 1 and not temporary.exists()
        temporary.touch()
    assert [file.name for file in folder.iterdir()] == [name]


@pytest.mark.parametrize(
    "name", [".spool-abcd1234", ".rows-abcd1234", ".abcd1234", ".c-1.abcd1234"]
)
def test_a_spool_goes_when_nothing_in_it_was_written_for_a_day(tmp_path, name):
    inner = tmp_path / "set" / name / "00001.rows"
    inner.parent.mkdir(parents=True)
    inner.touch()
    (tmp_path / ".git").mkdir()
    old = time.time() - SECONDS - 1
    os.utime(inner.parent, (old, old))
    assert remove_left_over(tmp_path) == 0
    os.utime(inner, (old, old))
    os.utime(tmp_path / ".git", (old, old))
    assert remove_left_over(tmp_path) == 1
    assert [path.name for path in tmp_path.rglob("*")] in (["set", ".git"], [".git", "set"])
