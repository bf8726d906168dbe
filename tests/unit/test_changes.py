import os

import pytest

from nicheclip.config.data import DatasetConfig
from nicheclip.config.sources import FolderSource, TableSource
from nicheclip.data.sources import changes
from nicheclip.data.sources.changes import files_digest


@pytest.fixture
def images(tmp_path):
    for name in ("a/1.jpg", "a/2.jpg", "b/deep/3.jpg", ".git/4.jpg"):
        (tmp_path / "d" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "d" / name).write_bytes(b"1")
    (tmp_path / "t.csv").write_text("path,label\na/1.jpg,a\nb/deep/3.jpg,b\ngone.jpg,b\n")
    return tmp_path / "d"


def look(source):
    """The digest, as another process would see it."""
    changes._of_folder.cache_clear()
    changes._of_table.cache_clear()
    return files_digest(source)


def replace(path):
    path.write_bytes(b"2")
    os.utime(path, (1, 1))


CHANGES = {
    "added": lambda d: (d / "b/4.jpg").write_bytes(b"1"),
    "lost": lambda d: (d / "a/1.jpg").unlink(),
    "replaced": lambda d: replace(d / "a/1.jpg"),
    "grown": lambda d: (d / "b/deep/3.jpg").write_bytes(b"12"),
    "renamed": lambda d: (d / "b/deep/3.jpg").rename(d / "b/3.jpg"),
    "class renamed": lambda d: (d / "b").rename(d / "c"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_folder_has_another_digest(images, change):
    source = FolderSource(kind="folder", path=str(images))
    before = look(source)
    assert look(source) == before and len(before) == 16
    CHANGES[change](images)
    assert look(source) != before


@pytest.mark.parametrize("change", ["lost", "replaced", "grown", "class renamed"])
def test_a_table_whose_images_changed_has_another_digest(images, change):
    source = TableSource(kind="table", path=str(images.parent / "t.csv"), images=str(images))
    before = look(source)
    assert look(source) == before and before
    CHANGES[change](images)
    assert look(source) != before


def test_hidden_files_and_images_of_no_row_count_nothing(images):
    folder = FolderSource(kind="folder", path=str(images))
    table = TableSource(kind="table", path=str(images.parent / "t.csv"), images=str(images))
    before = look(folder), look(table)
    replace(images / ".git/4.jpg")
    assert (look(folder), look(table)) == before
    replace(images / "a/2.jpg")
    assert look(folder) != before[0] and look(table) == before[1]


def test_a_folder_that_moved_has_the_same_digest(images):
    before = look(FolderSource(kind="folder", path=str(images)))
    moved = images.rename(images.with_name("moved"))
    assert look(FolderSource(kind="folder", path=str(moved))) == before


def test_what_is_not_watched_or_not_there_has_no_error(images):
    assert look(FolderSource(kind="folder", path=str(images), watch=False)) == ""
    assert look(FolderSource(kind="folder", path=str(images / "none")))
    assert look(TableSource(kind="table", path=str(images / "none.csv"))) == ""
    for path in ("x" * 5000, "$NOT_SET/d"):
        assert look(FolderSource(kind="folder", path=path)) == ""
        assert look(TableSource(kind="table", path=path)) == ""


def test_to_watch_or_not_changes_no_image(images):
    configs = [
        DatasetConfig.model_validate({"source": {"kind": "folder", "path": "x", "watch": watch}})
        for watch in (True, False)
    ]
    assert configs[0].determines_images() == configs[1].determines_images()
