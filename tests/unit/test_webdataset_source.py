import io
import json
import tarfile

import pytest
from source_files import every

from nicheclip.config.sources import WebDatasetSource
from nicheclip.data.sources.base import SourceImage
from nicheclip.data.sources.webdataset import WebDatasetImages
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.manifest import Dropped


def pack(path, members):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def read(files, **options):
    files = files if isinstance(files, dict) else {"all": str(files)}
    source = WebDatasetSource(kind="webdataset", files=files, **options)
    items = every(WebDatasetImages(source))
    kept = [item for item in items if isinstance(item, SourceImage)]
    return kept, {item.key: item.reason for item in items if isinstance(item, Dropped)}


def test_members_of_one_name_are_a_sample(tmp_path):
    tar = pack(
        tmp_path / "x.tar",
        {
            "d/1.jpg": b"one",
            "d/1.cls": b"Rose\n",
            "e/1.CLS": b"Tulip",
            "e/1.mask.png": b"mask",
            "e/1.PNG": b"two",
            "3.webp": b"three",
            "3.cls": b" ",
            "4.cls": b"Rose",
            "5.jpg": b"five",
            "5.txt": b"words",
        },
    )
    kept, dropped = read(tar)
    assert [(image.key, image.data, image.label, image.split) for image in kept] == [
        ("x.tar/d/1", b"one", "Rose", None),
        ("x.tar/e/1", b"two", "Tulip", None),
    ]
    assert dropped == {
        "x.tar/3": "empty label",
        "x.tar/4": "no image in the sample, only 'cls'",
        "x.tar/5": "no 'cls' in the sample, only 'jpg', 'txt': set 'label'",
    }


def test_splits_by_file_and_numbered_classes(tmp_path):
    for split in ("train", "val"):
        for number in range(2):
            members = {f"{number}.jpg": split.encode(), f"{number}.cls": b"%d" % number}
            pack(tmp_path / split / f"{number}.tar", members)
    (tmp_path / "names.txt").write_text("rock dove\ntree creeper\n")
    files = {split: str(tmp_path / split / "*.tar") for split in ("train", "val")}
    kept, _ = read(files, classes=str(tmp_path / "names.txt"))
    assert [(image.key, image.split, image.label) for image in kept] == [
        ("train/0.tar/0", "train", "rock dove"),
        ("train/1.tar/1", "train", "tree creeper"),
        ("val/0.tar/0", "val", "rock dove"),
        ("val/1.tar/1", "val", "tree creeper"),
    ]
    members = {"7.jpg": b"7", "7.cls": b"9" * 6000, "8.jpg": b"8", "8.cls": b"001"}
    many = pack(tmp_path / "many.tar", members)
    kept, dropped = read(many, classes=str(tmp_path / "names.txt"))
    assert [image.label for image in kept] == ["tree creeper"]
    assert "is not a line of 'classes', which has 0 to 1" in dropped["many.tar/7"]
    (tmp_path / "names.txt").write_text("rock dove")
    dropped = read(files, classes=str(tmp_path / "names.txt"))[1]
    assert set(dropped.values()) == {"the class '1' is not a line of 'classes', which has 0 to 0"}


def test_a_label_in_json_with_other_facts(tmp_path):
    facts = {"species": "merula", "genus": "Turdus", "license": "CC0", "label": 7.0, "x": [1]}
    members = {
        "1.jpg": b"1",
        "1.json": json.dumps(facts).encode(),
        "2.jpg": b"2",
        "2.json": b'{"label": "b"}',
        "3.jpg": b"3",
        "3.json": b"{",
        "4.jpg": b"4",
        "4.json": b"[]",
        "5.jpg": b"5",
        "5.json": b'{"label": NaN}',
        "6.jpg": b"6",
        "6.json": b'{"label": ["a"]}',
        "7.jpg": b"7",
        "7.json": b"[" * 100_000,
        "8.jpg": b"8",
        "8.json": b'{"label": "\\ud800"}',
        "9.jpg": b"9",
        "9.json": b'{"label": "b\\udfff", "license": "\\ud800"}',
    }
    tar = pack(tmp_path / "x.tar", members)
    kept, dropped = read(tar, label="json:label", columns={"licence": "license"})
    assert [image.label for image in kept] == ["7", "b", "b"]
    assert kept[0].lineage == {"genus": "Turdus", "species": "merula"}
    assert [image.licence for image in kept] == ["CC0", None, None]
    assert dropped == {
        "x.tar/3": "damaged JSON (JSONDecodeError)",
        "x.tar/4": "the JSON is no mapping of fields",
        "x.tar/5": "empty label",
        "x.tar/6": "the field 'label' is neither text nor a number",
        "x.tar/7": "damaged JSON (RecursionError)",
        "x.tar/8": "empty label",
    }


def test_a_label_in_a_text(tmp_path):
    tar = pack(tmp_path / "x.tar", {"1.jpeg": b"1", "1.txt": "Äsche".encode()})
    assert read(tar, label="txt")[0][0].label == "Äsche"


def test_no_tar_or_a_damaged_one_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"none.*: no such file \(files\.all\)"):
        read(tmp_path / "none*.tar")
    tar = pack(tmp_path / "x.tar", {"1.jpg": b"1", "1.cls": b"a"})
    tar.write_bytes(tar.read_bytes()[:1024])
    with pytest.raises(InputError, match="damaged after 1 members"):
        read(tar)
    with pytest.raises(InputError, match=r"names\.txt: cannot be read"):
        read(tar, classes=str(tmp_path / "names.txt"))
