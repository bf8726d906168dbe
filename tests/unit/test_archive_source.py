import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st
from source_files import every

from nicheclip.config.fetched_sources import ArchiveSource
from nicheclip.data.registry import load_entry
from nicheclip.data.sources import members
from nicheclip.data.sources.archive import ArchiveImages
from nicheclip.data.sources.base import SourceImage
from nicheclip.data.sources.members import iterate_members
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.manifest import Dropped

SHIPPED = Path(__file__).parents[2] / "workflow" / "registry" / "datasets"
FILES = {"set/b/2.jpg": b"two", "set/a/1.jpg": b"one", "set/readme.txt": b"text"}


def tar_bytes(files, mode="w"):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name, data in files.items():
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            if data is not None:
                info.size = len(data)
            archive.addfile(info, None if data is None else io.BytesIO(data))
    return stream.getvalue()


def zip_bytes(files, method=zipfile.ZIP_DEFLATED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


def read(tmp_path, archives, reader=None, inner=None):
    """Images and drops of archives given as {file name: bytes}."""
    urls = []
    for name, data in archives.items():
        (tmp_path / name).write_bytes(data)
        urls.append((tmp_path / name).as_uri())
    source = ArchiveSource.model_validate(
        {"kind": "archive", "urls": urls, "inner": inner} | ({"reader": reader} if reader else {})
    )
    items = every(ArchiveImages(source, tmp_path / "downloads", tmp_path))
    kept = [item for item in items if isinstance(item, SourceImage)]
    return kept, {item.key: item.reason for item in items if isinstance(item, Dropped)}


def zstandard(data):
    return pa.compress(data, codec="zstd", asbytes=True)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("x.tar", tar_bytes(FILES)),
        ("x.tar.gz", tar_bytes(FILES, "w:gz")),
        ("x.tar.bz2", tar_bytes(FILES, "w:bz2")),
        ("x.tar.xz", tar_bytes(FILES, "w:xz")),
        ("x.tar.zst", zstandard(tar_bytes(FILES))),
        ("x.zip", zip_bytes(FILES)),
        ("without_suffix", zip_bytes(FILES)),
    ],
    ids=["tar", "gz", "bz2", "xz", "zst", "zip", "no suffix"],
)
def test_every_format_gives_the_same_images_in_the_archives_order(tmp_path, name, data):
    kept, dropped = read(tmp_path, {name: data})
    assert [(image.key, image.label, image.data) for image in kept] == [
        (f"{name}/set/b/2.jpg", "b", b"two"),
        (f"{name}/set/a/1.jpg", "a", b"one"),
    ]
    assert dropped == {f"{name}/set/readme.txt": "not an image file"}
    assert sorted(p.name for p in (tmp_path / "downloads").iterdir()) == [f"{name}.sha256"]


def test_root_split_folders_and_excluded_classes(tmp_path):
    files = {
        "other/train/a/0.jpg": b"0",
        "set/train/a/1.jpg": b"1",
        "set/valid/b/2.jpg": b"2",
        "set/train/background/3.jpg": b"3",
        "set/4.jpg": b"4",
    }
    reader = {
        "kind": "class_folders",
        "root": "set",
        "split_folders": True,
        "exclude": ["background"],
    }
    kept, dropped = read(tmp_path, {"x.zip": zip_bytes(files)}, reader)
    assert [(image.label, image.split) for image in kept] == [("a", "train"), ("b", "val")]
    assert dropped == {
        "x.zip/set/train/background/3.jpg": "class excluded by the config",
        "x.zip/set/4.jpg": "not in a class folder",
    }


def test_a_members_path_may_give_ranks(tmp_path):
    files = {"s/train/Aves/Turdus/merula/1.jpg": b"1", "s/test/Aves/2.jpg": b"2"}
    reader = {
        "kind": "class_folders",
        "root": "s",
        "split_folders": True,
        "ranks": ["class", "genus", "species"],
    }
    (image,), dropped = read(tmp_path, {"x.zip": zip_bytes(files)}, reader)
    assert (image.label, image.split) == ("Turdus merula", "train")
    assert image.lineage == {"class": "Aves", "genus": "Turdus", "species": "merula"}
    assert dropped == {"x.zip/s/test/Aves/2.jpg": "not in 3 folders of ranks"}


def link(kind, name, target):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_hostile_tar_members_are_refused(tmp_path):
    data = tar_bytes(
        {
            "a/1.jpg": b"one",
            link(tarfile.SYMTYPE, "a/2.jpg", "/etc/passwd"): None,
            link(tarfile.LNKTYPE, "a/3.jpg", "a/1.jpg"): None,
            link(tarfile.FIFOTYPE, "a/4.jpg", ""): None,
            "../a/5.jpg": b"five",
            "a/../../6.jpg": b"six",
            "/a/7.jpg": b"seven",
            "C:\\a\\8.jpg": b"eight",
            "a/.hidden.jpg": b"h",
            "./a/9.jpg": b"nine",
        }
    )
    kept, dropped = read(tmp_path, {"x.tar": data})
    assert [image.key for image in kept] == ["x.tar/a/1.jpg", "x.tar/a/9.jpg"]
    assert dropped == {
        "x.tar/a/2.jpg": "link",
        "x.tar/a/3.jpg": "link",
        "x.tar/a/4.jpg": "neither a file nor a folder",
        "x.tar/../a/5.jpg": "member path leaves the folder",
        "x.tar/a/../../6.jpg": "member path leaves the folder",
        "x.tar//a/7.jpg": "member path leaves the folder",
        "x.tar/C:\\a\\8.jpg": "member path leaves the folder",
    }


def test_hostile_zip_members_are_refused(tmp_path):
    symbolic = zipfile.ZipInfo("a/2.jpg")
    symbolic.external_attr = 0o120777 << 16
    data = zip_bytes({"a/1.jpg": b"1", symbolic: b"/etc/passwd", "../3.jpg": b"3"})
    kept, dropped = read(tmp_path, {"x.zip": data})
    assert [image.key for image in kept] == ["x.zip/a/1.jpg"]
    assert dropped == {
        "x.zip/a/2.jpg": "link",
        "x.zip/../3.jpg": "member path leaves the folder",
    }


def test_an_encrypted_member_is_dropped(tmp_path):
    data = bytearray(zip_bytes({"a/1.jpg": b"one", "a/2.jpg": b"two"}))
    # bit 0 of the flags in the local and the central header of the first member
    data[data.index(b"PK\x03\x04") + 6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    kept, dropped = read(tmp_path, {"x.zip": bytes(data)})
    assert [image.data for image in kept] == [b"two"]
    assert dropped == {"x.zip/a/1.jpg": "encrypted member"}


@pytest.mark.parametrize("pack", [lambda f: tar_bytes(f, "w:gz"), zip_bytes], ids=["tar", "zip"])
def test_a_bomb_stops_the_run(tmp_path, monkeypatch, pack):
    monkeypatch.setattr(members, "MIN_RATIO_BYTES", 1000)
    data = pack({"a/1.jpg": bytes(2_000_000)})
    with pytest.raises(InputError, match="200 times larger"):
        read(tmp_path, {"x": data})


def test_an_oversized_member_is_dropped_and_the_rest_read(tmp_path, monkeypatch):
    monkeypatch.setattr(members, "MAX_MEMBER_BYTES", 1 << 20)
    data = tar_bytes({"a/1.jpg": bytes((1 << 20) + 1), "a/2.jpg": b"two"})
    kept, dropped = read(tmp_path, {"x.tar": data})
    assert [image.data for image in kept] == [b"two"]
    assert dropped == {"x.tar/a/1.jpg": "larger than 1 MiB"}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"Rar!\x1a\x07\x00" + bytes(600),
        tar_bytes({"a/1.jpg": bytes(5000)}, "w:gz")[:-30],
        tar_bytes({"a/1.jpg": bytes(5000)})[:3000],
        zip_bytes({"a/1.jpg": np.random.default_rng(0).bytes(500)})[:300],
    ],
    ids=["empty", "rar", "cut gz", "cut tar", "cut zip"],
)
def test_what_is_no_whole_archive_is_an_error(tmp_path, data):
    with pytest.raises(InputError, match=r"x: damaged, or neither tar nor zip"):
        read(tmp_path, {"x": data})


def test_a_zip_member_with_a_wrong_checksum_is_an_error(tmp_path):
    data = zip_bytes({"a/1.jpg": b"precious bytes"}, zipfile.ZIP_STORED)
    with pytest.raises(InputError, match="damaged"):
        read(tmp_path, {"x.zip": data.replace(b"precious", b"corrupt!", 1)})


@pytest.mark.parametrize("pack", [zip_bytes, tar_bytes], ids=["zip", "tar"])
def test_a_tar_inside_the_archive(tmp_path, pack):
    data = pack({"x/readme.txt": b"text", "x/inner.tar.gz": tar_bytes(FILES, "w:gz")})
    kept, _ = read(tmp_path, {"x": data}, inner="x/inner.tar.gz")
    assert [image.data for image in kept] == [b"two", b"one"]
    with pytest.raises(InputError, match="holds no 'none'"):
        read(tmp_path, {"x": data}, inner="none")


def test_a_shipped_list_gives_label_and_split(tmp_path):
    (tmp_path / "list.csv").write_text(
        "key,label,split\nset/a/1.jpg,Apple,valid\nset/absent.jpg,Pear,test\n"
    )
    reader = {"kind": "listed", "list": "list.csv"}
    kept, dropped = read(tmp_path, {"x.zip": zip_bytes(FILES)}, reader)
    assert [(image.label, image.split, image.data) for image in kept] == [("Apple", "val", b"one")]
    assert dropped == {"set/absent.jpg": "listed, but not in the archive"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("member,label\n", "expected the columns key, label"),
        ("key,label\nx,\n", "line 2: the key or the label is empty"),
        ("key,label\nx,a\nx,b\n", "name 'x' twice"),
        ("key,label\n", "empty"),
        ("key,label,split\nx,a,some\n", "line 2: the split 'some'"),
    ],
)
def test_a_malformed_list_is_an_error(tmp_path, text, message):
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read(tmp_path, {"x.zip": zip_bytes(FILES)}, {"kind": "listed", "list": "list.csv"})


PETS = {
    "kind": "member_lists",
    "lists": {"train": "annotations/trainval.txt", "test": "annotations/test.txt"},
    "line": r"(?P<key>(?P<label>.+)_\d+) \d+ \d+ \d+",
    "member": "images/{key}.jpg",
}


def test_lists_in_one_archive_may_name_members_of_another(tmp_path):
    lists = {
        "annotations/trainval.txt": b"# Image CLASS-ID\nAbyssinian_1 1 1 1\nshiba_inu_12 2 2 1\n",
        "annotations/test.txt": b"Abyssinian_2 1 1 1\nAbyssinian_3 1 1 1\n",
    }
    photographs = {
        "images/shiba_inu_12.jpg": b"dog",
        "images/Abyssinian_1.jpg": b"cat",
        "images/Abyssinian_2.jpg": b"cat 2",
        "images/Abyssinian_1.mat": b"unlisted",
    }
    archives = {"lists.tar.gz": tar_bytes(lists, "w:gz"), "images.tar.gz": tar_bytes(photographs)}
    kept, dropped = read(tmp_path, archives, PETS)
    assert [(image.key, image.label, image.split) for image in kept] == [
        ("images.tar.gz/images/shiba_inu_12.jpg", "shiba_inu", "train"),
        ("images.tar.gz/images/Abyssinian_1.jpg", "Abyssinian", "train"),
        ("images.tar.gz/images/Abyssinian_2.jpg", "Abyssinian", "test"),
    ]
    assert dropped == {"images/Abyssinian_3.jpg": "listed, but not in the archive"}


def test_a_text_file_is_an_archive_of_itself(tmp_path):
    reader = {
        "kind": "member_lists",
        "lists": {"train": "train.txt", "test": "test.txt"},
        "line": r"(?P<key>(?P<label>.+)_\d+\.jpg)",
        "member": "set/{label}/{key}",
    }
    files = {"set/sea_ice/sea_ice_001.jpg": b"ice", "set/lake/lake_700.jpg": b"lake"}
    archives = {
        "train.txt": b"sea_ice_001.jpg\r\n",
        "test.txt": b"lake_700.jpg",
        "x.zip": zip_bytes(files),
    }
    kept, _ = read(tmp_path, archives, reader)
    assert [(image.label, image.split) for image in kept] == [
        ("sea_ice", "train"),
        ("lake", "test"),
    ]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"images/x.jpg": b""}, "none holds the list 'annotations/t"),
        (
            {"annotations/trainval.txt": b"Abyssinian_1 1", "annotations/test.txt": b""},
            r"trainval\.txt, line 1: 'Abyssinian_1 1' does not match",
        ),
        (
            {"annotations/trainval.txt": b"A_1 1 1 1", "annotations/test.txt": b"A_1 1 1 1"},
            r"'images/A_1\.jpg' twice",
        ),
    ],
    ids=["absent", "pattern", "twice"],
)
def test_member_lists_that_do_not_fit_are_errors(tmp_path, files, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, {"x.tar": tar_bytes(files)}, PETS)


def matlab(**variables):
    stream = io.BytesIO()
    scipy.io.savemat(stream, variables)
    return stream.getvalue()


FLOWERS = {
    "kind": "matlab",
    "labels": "imagelabels.mat:labels",
    "splits": {"train": "setid.mat:trnid", "test": "setid.mat:tstid"},
    "member": "jpg/image_{number:05d}.jpg",
}


def test_matlab_lists(tmp_path):
    archives = {
        "imagelabels.mat": matlab(labels=np.array([[77, 5, 77]], np.uint8)),
        "setid.mat": matlab(trnid=np.array([[3, 2]]), tstid=np.array([[1]])),
        "x.tgz": tar_bytes({f"jpg/image_0000{i}.jpg": b"%d" % i for i in (1, 2, 3, 4)}, "w:gz"),
    }
    kept, dropped = read(tmp_path, archives, FLOWERS)
    assert [(image.data, image.label, image.split) for image in kept] == [
        (b"1", "77", "test"),
        (b"2", "5", "train"),
        (b"3", "77", "train"),
    ]
    assert dropped == {}


@pytest.mark.parametrize(
    ("labels", "sets", "message"),
    [
        (matlab(labels=[1, 2]), matlab(trnid=[3], tstid=[1]), "image 3 of 2"),
        (matlab(names=[1, 2]), matlab(trnid=[1], tstid=[2]), "the vector 'labels'"),
        (b"no matlab file", matlab(trnid=[1], tstid=[2]), "expected a MATLAB file"),
    ],
)
def test_matlab_lists_that_do_not_fit_are_errors(tmp_path, labels, sets, message):
    archives = {"imagelabels.mat": labels, "setid.mat": sets, "x.tar": tar_bytes({})}
    with pytest.raises(InputError, match=message):
        read(tmp_path, archives, FLOWERS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"urls": ["file:///a/x.zip", "file:///b/x.zip"]}, "same file name"),
        ({"urls": ["http://[::1/x.zip"]}, "not a URL"),
        ({"urls": ["http://a:99999999/x.zip"]}, "not a URL"),
        ({"urls": ["http:///x.zip"]}, "names no server"),
        ({"urls": ["file://images.zip/x.zip"]}, "three slashes"),
        ({"urls": ["ftp://a/x.zip"]}, "expected a http, https or file URL"),
        ({"urls": ["http://a/"]}, "ends in a file name"),
        ({"urls": ["http://a/x%00.zip"]}, "control characters"),
        ({"urls": ["http://a/" + "x" * 300 + ".zip"]}, "of 304 bytes.*more than 200 bytes"),
        ({"reader": PETS | {"line": "(?P<key>"}}, "line: .* is no regular expression"),
        ({"reader": PETS | {"line": r"(?P<key>\S+)"}}, r"write \(\?P<label>"),
        ({"reader": PETS | {"member": "{name}.jpg"}}, "may use {key}, {label}"),
        ({"reader": PETS | {"member": "{key"}}, "cannot be made"),
        ({"reader": FLOWERS | {"labels": "imagelabels.mat"}}, "labels"),
        ({"reader": FLOWERS | {"member": "x.jpg"}}, "same for every image"),
        ({"reader": FLOWERS | {"member": "{number:05z}"}}, "cannot be made"),
        ({"reader": FLOWERS | {"member": "{image}.jpg"}}, "may use {number}"),
    ],
)
def test_a_source_that_cannot_work_is_an_error_of_the_config(options, message):
    with pytest.raises(ValueError, match=message):
        ArchiveSource.model_validate({"kind": "archive", "urls": ["file:///x.zip"]} | options)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('key,label\n"x,a\n', "not a well-formed CSV"),
        ("key,label\nx\n", "line 2: the key or the label is empty"),
    ],
)
def test_a_damaged_list_is_an_error(tmp_path, text, message):
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read(tmp_path, {"x.zip": zip_bytes(FILES)}, {"kind": "listed", "list": "list.csv"})


def test_a_line_whose_label_is_optional_and_absent_is_an_error(tmp_path):
    files = {"annotations/trainval.txt": b"_1", "annotations/test.txt": b"A_2"}
    reader = PETS | {"line": r"(?P<label>[A-Z])?_(?P<key>\d)"}
    with pytest.raises(InputError, match=r"trainval\.txt, line 1: '_1' .*gives no label"):
        read(tmp_path, {"x.tar": tar_bytes(files)}, reader)


@pytest.mark.parametrize("cut", [10, 128, 140, 180])
@pytest.mark.parametrize("file", ["imagelabels.mat", "setid.mat"])
def test_a_damaged_matlab_file_is_an_error(tmp_path, file, cut):
    archives = {
        "imagelabels.mat": matlab(labels=[1, 2, 3]),
        "setid.mat": matlab(trnid=[3], tstid=[1]),
        "x.tar": tar_bytes({}),
    }
    archives[file] = archives[file][:cut] + b"\xff" * 40
    with pytest.raises(InputError, match=f"{file}: expected a MATLAB file"):
        read(tmp_path, archives, FLOWERS)


@pytest.mark.parametrize("reader", [None, {"kind": "class_folders", "root": "set"}])
@pytest.mark.parametrize(
    "names", [["set/train/a/1.jpg"], ["set/Valid/1.jpg"], ["set/x/test/a/1.jpg"]]
)
def test_folders_called_like_splits_stop(tmp_path, reader, names):
    data = zip_bytes(dict.fromkeys(names, b"1"))
    message = r"x\.zip/set/.* called like a split.*reader\.split_folders: true .*method: given"
    with pytest.raises(InputError, match=message):
        read(tmp_path, {"x.zip": data}, reader)
    kept, _ = read(tmp_path, {"x.zip": data}, {"kind": "class_folders", "split_folders": False})
    assert [image.split for image in kept] == [None]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["tar", "gz", "zip"]), st.data())
def test_damaged_archives_give_members_or_a_clear_error(tmp_path_factory, kind, data):
    packed = bytearray(
        {"tar": tar_bytes(FILES), "gz": tar_bytes(FILES, "w:gz"), "zip": zip_bytes(FILES)}[kind]
    )
    for _ in range(data.draw(st.integers(1, 6))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "x"
    path.write_bytes(packed)
    try:
        list(iterate_members(path))
    except InputError:
        return


def test_inaturalists_class_folders_have_all_ranks(tmp_path):
    folder = "00012_Animalia_Annelida_Clitellata_Haplotaxida_Lumbricidae_Lumbricus_terrestris"
    reader = load_entry(SHIPPED, "inat21_mini").source.reader.model_dump()
    archives = {
        "train_mini.tar.gz": tar_bytes({f"train_mini/{folder}/a.jpg": b"a"}, "w:gz"),
        "val.tar.gz": tar_bytes({f"val/{folder}/b.jpg": b"b"}, "w:gz"),
    }
    kept, dropped = read(tmp_path, archives, reader)
    assert [(one.data, one.label, one.split) for one in kept] == [
        (b"a", "Lumbricus terrestris", "train"),
        (b"b", "Lumbricus terrestris", "test"),
    ]
    assert list(kept[0].lineage.values()) == folder.split("_")[1:] and not dropped


@pytest.mark.parametrize(
    ("member", "message"),
    [
        ("val/00012_Lumbricus/b.jpg", r"x\.tar/val/.* '00012_Lumbricus' is not a number and king"),
        ("public_test/00012_a_b_c_d_e_f_g/b.jpg", "the folder 'public_test' is none of train"),
    ],
)
def test_another_layout_than_inaturalists_says_what_was_expected(tmp_path, member, message):
    reader = load_entry(SHIPPED, "inat21").source.reader.model_dump()
    with pytest.raises(InputError, match=message):
        read(tmp_path, {"x.tar": tar_bytes({member: b"b"})}, reader)


NABIRDS = {
    "nabirds/images.txt": b"00a-1 0817/1.jpg\n00b-2 0299/2.jpg\n00c-3 0300/3.jpg\n",
    "nabirds/train_test_split.txt": b"00a-1 1\n00b-2 0\n00c-3 0\n",
    "nabirds/image_class_labels.txt": b"00a-1 817\n00b-2 299\n00c-3 300\n",
    "nabirds/classes.txt": b"0 Birds\n299 Common Eider (Adult male)\n300 Junco\n817 Junco\n",
}


def test_nabirds_names_the_classes_by_number(tmp_path):
    images = {f"nabirds/images/{name}": b"x" for name in ("0817/1.jpg", "0299/2.jpg", "0300/3.jpg")}
    reader = load_entry(SHIPPED, "nabirds").source.reader.model_dump()
    kept, _ = read(tmp_path, {"nabirds.tar.gz": tar_bytes(NABIRDS | images, "w:gz")}, reader)
    assert [(one.label, one.split) for one in kept] == [
        ("Junco 817", "train"),  # a name that two numbers share stays two classes
        ("Common Eider (Adult male)", "test"),
        ("Junco 300", "test"),
    ]


def test_a_class_number_without_a_name_is_an_error(tmp_path):
    reader = load_entry(SHIPPED, "nabirds").source.reader.model_dump()
    files = NABIRDS | {"nabirds/classes.txt": b"299 Common Eider\n300 Junco\n"}
    message = r"image_class_labels\.txt: the image 00a-1 .* class '817', which nabirds/classes\.txt"
    with pytest.raises(InputError, match=message):
        read(tmp_path, {"nabirds.tar": tar_bytes(files)}, reader)


def test_a_frozen_list_names_the_test_images(tmp_path):
    (tmp_path / "tests.txt").write_text("# drawn once\na/1.jpg\n")
    files = {f"set/a/{number}.jpg": b"%d" % number for number in (1, 2)}
    reader = {"kind": "class_folders", "root": "set", "test_list": "tests.txt"}
    kept, _ = read(tmp_path, {"x.zip": zip_bytes(files)}, reader)
    assert [(one.data, one.split) for one in kept] == [(b"1", "test"), (b"2", "train")]
    (tmp_path / "tests.txt").write_text("a/1.jpg\na/1.jpg\n")
    with pytest.raises(InputError, match=r"tests\.txt: names no member, or one twice"):
        read(tmp_path, {"x.zip": zip_bytes(files)}, reader)
