"""Splits as benchmarks have them: lists of ids, CoOp's files, counts of each class."""

import io
import json
import random
import sys
import tarfile
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
from PIL import Image
from pydantic import ValidationError

from acquired_files import acquire_and_curate
from nicheclip.config.archive_readers import (
    ClassFoldersReader,
    IdListsReader,
    JsonSplitsReader,
)
from nicheclip.config.data import DatasetConfig, SplitConfig
from nicheclip.data.frozen_lists import drawn_tests, main
from nicheclip.data.sources.archive import read_archives
from nicheclip.data.sources.archive_files import ArchiveFile
from nicheclip.data.sources.base import Part, SourceImage
from nicheclip.runtime.errors import InputError

SHIPPED = Path(__file__).parents[2] / "workflow" / "registry" / "datasets"


def archive(folder, files, name="set.tar"):
    path = folder / name
    with tarfile.open(path, "w") as tar:
        for member, content in files.items():
            info = tarfile.TarInfo(member)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def read(paths, reader):
    files = [ArchiveFile(path.name, lambda path=path: path) for path in paths]
    found = read_archives(files, reader, inner=None, registry=Path(), part=Part())
    return [(one.key, one.label, one.split) for _, one in found if isinstance(one, SourceImage)]


BIRDS = {
    "birds/images.txt": b"1 001.Crow/a.jpg\n2 002.Rook/b.jpg\n",
    "birds/split.txt": b"1 1\n2 0\n",
    "birds/images/001.Crow/a.jpg": b"a",
    "birds/images/002.Rook/b.jpg": b"b",
}
BY_ID = IdListsReader(
    kind="id_lists",
    images="birds/images.txt",
    splits="birds/split.txt",
    values={"1": "train", "0": "test"},
    root="birds/images",
)


def test_images_and_splits_are_joined_by_their_ids(tmp_path):
    assert read([archive(tmp_path, BIRDS)], BY_ID) == [
        ("set.tar/birds/images/001.Crow/a.jpg", "001.Crow", "train"),
        ("set.tar/birds/images/002.Rook/b.jpg", "002.Rook", "test"),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"1 1\n2 7\n", r"split\.txt: the image 2 .* value '7'; expected one of 1, 0"),
        (b"1 1\n", r"the image 2 .* value None"),
        (b"1 1\n1 0\n", r"split\.txt, line 2: '1 0'; expected an id that is new"),
        (b"1\n", r"line 1: '1'; expected an id"),
    ],
)
def test_lists_that_do_not_fit_are_errors(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        read([archive(tmp_path, {**BIRDS, "birds/split.txt": content})], BY_ID)


COOP = JsonSplitsReader(kind="json_splits", splits="split.json", root="jpg")
SPLIT = {
    "train": [["a.jpg", 0, "pink primrose"]],
    "val": [["c.jpg", 1, "sweet pea"]],
    "test": [["b.jpg", 1, "sweet pea"]],
}


def test_coop_s_file_names_class_and_split(tmp_path):
    (tmp_path / "split.json").write_text(json.dumps(SPLIT))
    images = archive(tmp_path, {f"jpg/{name}.jpg": b"x" for name in "abc"})
    assert read([tmp_path / "split.json", images], COOP) == [
        ("set.tar/jpg/a.jpg", "pink primrose", "train"),
        ("set.tar/jpg/b.jpg", "sweet pea", "test"),
        ("set.tar/jpg/c.jpg", "sweet pea", "val"),
    ]


@pytest.mark.parametrize(
    "content", ["[]", "{", '{"train": [["a.jpg", 0]]}', '{"train": [["a.jpg", 0, " "]]}']
)
def test_another_file_in_its_place_is_an_error(tmp_path, content):
    (tmp_path / "split.json").write_text(content)
    with pytest.raises(InputError, match=r"split\.json: expected lists `train`"):
        read([tmp_path / "split.json"], COOP)


def test_nested_folders_are_one_class(tmp_path):
    files = {"S/a/abbey/1.jpg": b"1", "S/d/door/outdoor/2.jpg": b"2", "S/d/3.jpg": b"3"}
    reader = ClassFoldersReader(root="S", nested_from=1)
    assert [label for _, label, _ in read([archive(tmp_path, files)], reader)] == [
        "abbey",
        "door_outdoor",
    ]
    with pytest.raises(ValidationError, match="nested_from: without ranks"):
        ClassFoldersReader(nested_from=1, ranks=["genus", "species"])


def folder(path, classes, images):
    """A folder of class folders with images that differ."""
    for number, name in enumerate(classes):
        (path / name).mkdir(parents=True)
        for image in range(images):
            colour = (10 * image, 100 * number, 7)
            Image.new("RGB", (8, 8), colour).save(path / name / f"{image}.png")
    return path


def splits_of(tmp_path, split):
    source = {"kind": "folder", "path": str(folder(tmp_path / "in", ["ant", "bee"], 12))}
    config = DatasetConfig.model_validate(
        {"source": source, "split": {**split, "near_duplicate_bits": None}}
    )
    report, _ = acquire_and_curate(tmp_path / "out", config)
    catalog = next((tmp_path / "out").rglob("catalog.parquet"))
    rows = pl.read_parquet(catalog).sort("key")
    return [
        (Path(key).stem, split) for key, split in rows.select("key", "split").iter_rows()
    ], report


def test_the_first_images_of_each_class_by_name_train(tmp_path):
    found, report = splits_of(tmp_path, {"method": "counts", "train_images": 3, "test_images": 2})
    # by name: 0, 1, 10, 11, 2, 3, ...
    expected = [("0", "train"), ("1", "train"), ("10", "train"), ("11", "test"), ("2", "test")]
    assert found == expected * 2
    assert report.counts["in no split"] == 14
    assert (report.counts["images"], report.counts["train"], report.counts["test"]) == (10, 6, 4)


def test_without_a_number_all_others_are_for_test(tmp_path):
    found, report = splits_of(tmp_path, {"method": "counts", "train_images": 3})
    assert report.counts["test"] == 18 and "in no split" not in report.counts
    assert len(found) == 24


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"method": "counts"}, "train_images: needed with the method counts"),
        ({"train_images": 3}, "train_images: needed with the method counts"),
        ({"method": "given", "test_images": 3}, "test_images: of the method counts alone"),
        ({"val_trains": True}, "val_trains: with the method given"),
        (
            {"method": "given", "val_trains": True, "val_from_train": 0.1},
            "val_trains: with the method given",
        ),
    ],
)
def test_keys_belong_to_their_method(split, message):
    with pytest.raises(ValidationError, match=message):
        SplitConfig.model_validate(split)


def test_images_for_validation_may_train(tmp_path):
    (tmp_path / "out").mkdir()
    for split in ("train", "val", "test"):
        folder(tmp_path / "in" / split, ["ant", "bee"], {"train": 3, "val": 2, "test": 1}[split])
        for image in (tmp_path / "in" / split).rglob("*.png"):
            colour = (hash_of(split), int(image.stem), image.parent.name == "ant")
            Image.new("RGB", (8, 8), colour).save(image)
    source = {"kind": "folder", "path": str(tmp_path / "in"), "split_folders": True}
    config = DatasetConfig.model_validate(
        {"source": source, "split": {"method": "given", "val_trains": True}}
    )
    report, _ = acquire_and_curate(tmp_path / "out", config)
    assert [report.counts[one] for one in ("train", "val", "test")] == [10, 0, 2]


def hash_of(split):
    return {"train": 10, "val": 20, "test": 30}[split]


def test_the_list_of_resisc45_is_that_of_its_recipe():
    """Faithful to VISSL: one generator for all classes, four fifths and a fifth of each."""
    shipped = (SHIPPED / "splits/resisc45_vissl_test.txt").read_text().splitlines()[1:]
    classes = sorted({name.split("/")[0] for name in shipped})
    names = [f"{one}/{one}_{number:03}.jpg" for one in classes for number in range(1, 701)]
    assert drawn_tests(reversed(names)) == shipped
    assert len(classes) == 45
    assert {sum(name.startswith(f"{one}/") for name in shipped) for one in classes} == {140}
    generator, first = random.Random(42), names[:700]
    generator.shuffle(first)
    assert sorted(first[560:]) == shipped[:140]


def test_a_list_is_made_from_an_archive(tmp_path, monkeypatch):
    files = {f"set/{one}/{number}.jpg": b"x" for one in "ab" for number in range(10)}
    path = archive(tmp_path, files | {"set/readme.txt": b"", "other/a/1.jpg": b"x"})
    arguments = ["frozen_lists", str(path), str(tmp_path / "tests.txt"), "--root", "set"]
    monkeypatch.setattr(sys, "argv", arguments)
    main()
    reader = ClassFoldersReader(root="set", test_list=str(tmp_path / "tests.txt"))
    splits = Counter((label, split) for _, label, split in read([path], reader))
    assert splits == {
        (one, split): n for one in "ab" for split, n in {"train": 8, "test": 2}.items()
    }
