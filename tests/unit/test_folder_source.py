import os

import pytest
from source_files import every

from nicheclip.config.sources import FolderSource
from nicheclip.data.sources.base import SourceImage
from nicheclip.data.sources.folder import FolderImages
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.manifest import Dropped


def fill(root, names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def read(root, **options):
    items = every(FolderImages(FolderSource(kind="folder", path=str(root), **options)))
    kept = [item for item in items if isinstance(item, SourceImage)]
    return kept, {item.key: item.reason for item in items if isinstance(item, Dropped)}


def test_classes_are_folders_and_the_order_is_that_of_the_names(tmp_path):
    fill(tmp_path, ["b/2.jpg", "a/z.PNG", "b/10.jpg", "a/deep/er/1.jpeg", "B/x.webp"])
    kept, dropped = read(tmp_path)
    assert [(image.key, image.label) for image in kept] == [
        ("B/x.webp", "B"),
        ("a/deep/er/1.jpeg", "a"),
        ("a/z.PNG", "a"),
        ("b/10.jpg", "b"),
        ("b/2.jpg", "b"),
    ]
    assert kept[0].data == b"B/x.webp" and kept[0].split is None
    assert dropped == {}


def test_hidden_files_are_silent_and_others_are_listed(tmp_path):
    fill(tmp_path, ["a/1.jpg", "a/.DS_Store", ".git/x.jpg", "a/notes.txt", "a/none", "top.jpg"])
    kept, dropped = read(tmp_path)
    assert [image.key for image in kept] == ["a/1.jpg"]
    assert dropped == {
        "a/notes.txt": "not an image file",
        "a/none": "not an image file",
        "top.jpg": "not in a class folder",
    }


def test_split_folders_name_the_split(tmp_path):
    fill(tmp_path, ["train/a/1.jpg", "Valid/a/2.jpg", "test/b/3.jpg", "test/4.jpg"])
    kept, dropped = read(tmp_path, split_folders=True)
    assert {image.key: (image.split, image.label) for image in kept} == {
        "train/a/1.jpg": ("train", "a"),
        "Valid/a/2.jpg": ("val", "a"),
        "test/b/3.jpg": ("test", "b"),
    }
    assert dropped == {"test/4.jpg": "not in a class folder"}


def test_an_unknown_split_folder_is_an_error(tmp_path):
    fill(tmp_path, ["extra/a/1.jpg"])
    with pytest.raises(InputError, match="extra"):
        read(tmp_path, split_folders=True)


def test_links_that_leave_the_folder_are_refused(tmp_path):
    root = tmp_path / "data"
    fill(root, ["a/1.jpg"])
    fill(tmp_path, ["secret/2.jpg"])
    (root / "a/out.jpg").symlink_to(tmp_path / "secret/2.jpg")
    (root / "b").symlink_to(tmp_path / "secret")
    (root / "loop").symlink_to(root)
    (root / "a/same.jpg").symlink_to(root / "a/1.jpg")
    (root / "a/broken.jpg").symlink_to(root / "a/absent.jpg")
    kept, dropped = read(root)
    assert [image.key for image in kept] == ["a/1.jpg", "a/same.jpg"]
    assert dropped == {
        "a/out.jpg": "link that leaves the folder",
        "b": "link that leaves the folder",
        "loop": "link to a folder",
        "a/broken.jpg": "not a regular file",
    }


def test_a_fifo_is_not_opened(tmp_path):
    fill(tmp_path, ["a/1.jpg"])
    os.mkfifo(tmp_path / "a/pipe.jpg")
    assert read(tmp_path)[1] == {"a/pipe.jpg": "not a regular file"}


def test_a_name_that_is_not_utf8_is_listed(tmp_path):
    fill(tmp_path, ["a/1.jpg"])
    with open(os.fsencode(tmp_path) + b"/a/\xff.jpg", "wb") as stream:  # noqa: PTH123
        stream.write(b"x")
    kept, dropped = read(tmp_path)
    assert len(kept) == 1
    assert dropped == {"a/\\udcff.jpg": "name is not UTF-8"}


def test_labels_have_one_unicode_form(tmp_path):
    fill(tmp_path, ["e\u0301te\u0301/1.jpg"])
    assert read(tmp_path)[0][0].label == "\u00e9t\u00e9"


def test_variables_in_the_path_are_filled_in(tmp_path, monkeypatch):
    fill(tmp_path, ["a/1.jpg"])
    monkeypatch.setenv("MY_IMAGES", str(tmp_path))
    assert len(read("$MY_IMAGES")[0]) == 1
    monkeypatch.delenv("MY_IMAGES")
    with pytest.raises(InputError, match=r"MY_IMAGES.*not set"):
        read("$MY_IMAGES")


def test_an_absent_folder_is_an_error(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        read(tmp_path / "none")


@pytest.mark.parametrize(
    "names",
    [
        ["train/a/1.jpg", "test/b/1.jpg"],
        ["Training/a/1.jpg", "validation/b/1.jpg", "docs/x.txt"],
        ["train/a/1.jpg"],
    ],
)
def test_split_folders_that_nobody_named_stop(tmp_path, names):
    fill(tmp_path, names)
    message = r"like a split.*split_folders: true .*split: {method: given}.*split_folders: false"
    with pytest.raises(InputError, match=message):
        read(tmp_path)
    assert {image.label for image in read(tmp_path, split_folders=False)[0]} == {
        name.split("/")[0] for name in names if name.endswith("jpg")
    }


def test_one_class_called_like_a_split_among_others_is_a_class(tmp_path):
    fill(tmp_path, ["test/1.jpg", "shell/1.jpg"])
    assert [image.label for image in read(tmp_path)[0]] == ["shell", "test"]


@pytest.mark.parametrize("class_folder", ["first", "last"])
def test_splits_below_the_classes_that_nobody_named_stop(tmp_path, class_folder):
    fill(tmp_path, ["ant/train/1.jpg", "ant/test/2.jpg", "bee/1.jpg"])
    message = r"/ant: 'test', 'train' in the folder of a class.*below_class.*{method: given}.*false"
    with pytest.raises(InputError, match=message):
        read(tmp_path, class_folder=class_folder)
    pooled, _ = read(tmp_path, split_folders=False)
    assert [(image.label, image.split) for image in pooled] == [("ant", None)] * 2 + [("bee", None)]


def test_splits_below_the_classes_are_read(tmp_path):
    fill(tmp_path, ["ant/train/1.jpg", "ant/Test/deep/2.jpg", "bee/valid/3.jpg", "bee/4.jpg"])
    kept, dropped = read(tmp_path, split_folders="below_class")
    assert [(image.label, image.split) for image in kept] == [
        ("ant", "test"),
        ("ant", "train"),
        ("bee", "val"),
    ]
    assert dropped == {"bee/4.jpg": "not in a split folder below its class"}
    fill(tmp_path, ["bee/night/5.jpg"])
    with pytest.raises(InputError, match="night"):
        read(tmp_path, split_folders="below_class")
    with pytest.raises(ValueError, match="below_class needs classes in the first level"):
        read(tmp_path, split_folders="below_class", class_folder="last")


def test_one_folder_called_like_a_split_among_others_below_a_class_is_none(tmp_path):
    fill(tmp_path, ["shell/test/1.jpg", "shell/live/2.jpg"])
    assert [image.label for image in read(tmp_path)[0]] == ["shell", "shell"]


def test_the_last_folder_may_be_the_class(tmp_path):
    fill(tmp_path, ["site 1/cat/1.jpg", "site 2/cat/1.jpg", "site 2/day/dog/1.jpg", "top.jpg"])
    kept, dropped = read(tmp_path, class_folder="last")
    assert [image.label for image in kept] == ["cat", "cat", "dog"]
    assert dropped == {"top.jpg": "not in a class folder"}


def test_a_path_may_give_ranks(tmp_path):
    names = ["Animalia/Aves/Turdus/merula/1.jpg", "Animalia/Aves/Turdus/T_x/male/2.jpg"]
    fill(tmp_path, [*names, "Plantae/Rosa/Rosa/Rosa_canina/3.jpg", "Animalia/Aves/4.jpg"])
    kept, dropped = read(tmp_path, ranks=["kingdom", "class", "genus", "species"])
    assert [image.label for image in kept] == ["Turdus T x", "Turdus merula", "Rosa canina"]
    assert kept[1].lineage == {
        "kingdom": "Animalia",
        "class": "Aves",
        "genus": "Turdus",
        "species": "merula",
    }
    assert dropped == {"Animalia/Aves/4.jpg": "not in 4 folders of ranks"}
    kept, _ = read(tmp_path, ranks=["kingdom", "class"])
    assert {image.label for image in kept} == {"Aves", "Rosa"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ranks": ["genus", "kingdom"]}, "must go down"),
        ({"ranks": ["genus"], "class_folder": "last"}, "leave it out"),
    ],
)
def test_ranks_that_cannot_be_are_errors(options, message):
    with pytest.raises(ValueError, match=message):
        FolderSource(kind="folder", path="x", **options)


def test_ranks_lie_below_the_split(tmp_path):
    fill(tmp_path, ["train/Aves/Turdus/1.jpg"])
    (image,), _ = read(tmp_path, split_folders=True, ranks=["class", "genus"])
    assert (image.label, image.split) == ("Turdus", "train")
    assert image.lineage == {"class": "Aves", "genus": "Turdus"}


def test_loops_of_links_are_listed(tmp_path):
    fill(tmp_path, ["a/1.jpg"])
    (tmp_path / "a/x.jpg").symlink_to(tmp_path / "a/y.jpg")
    (tmp_path / "a/y.jpg").symlink_to(tmp_path / "a/x.jpg")
    kept, dropped = read(tmp_path)
    assert len(kept) == 1
    assert set(dropped.values()) <= {"link that leads nowhere", "not a regular file"}
    assert set(dropped) == {"a/x.jpg", "a/y.jpg"}


def test_a_folder_without_permission_stops(tmp_path, monkeypatch):
    fill(tmp_path, ["a/1.jpg", "b/1.jpg"])
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("b"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match=r"b: the folder cannot be read \(Permission denied\)"):
        read(tmp_path)


def test_a_folder_whose_path_is_too_long_stops(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(25):
        os.mkdir("x" * 200)  # noqa: PTH102
        os.chdir("x" * 200)
    os.chdir(tmp_path)
    with pytest.raises(InputError, match=r"cannot be read \(File name too long"):
        read(tmp_path)


@pytest.mark.parametrize("path", ["/x" * 2500, "y" * 5000])
def test_a_path_of_5000_letters_is_an_error(path):
    with pytest.raises(InputError, match=r"not a usable path \(File name too long"):
        read(path)
