"""Parts of every kind of source: together they hold what one job would, with the same catalog."""

import csv
import functools
import io
import tarfile
import zipfile

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.io
from source_files import jpeg

from acquired_files import acquire_and_curate
from nicheclip.config.data import DatasetConfig
from nicheclip.data.image_set import ImageSet
from nicheclip.data.sources import hub
from nicheclip.data.sources.base import Part
from nicheclip.data.sources.open import open_source
from nicheclip.runtime.files import sha256_file

#: eleven images of two classes, one of them damaged, one a repetition, and a text
FILES = {f"{'ab'[i % 2]}/{i:02d}.jpg": jpeg(i) for i in range(9)}
FILES |= {"a/broken.jpg": jpeg(50)[:200], "b/twin.jpg": jpeg(3), "b/readme.txt": b"text"}


def fill(root, files=FILES):
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)


def pack(path, files=FILES):
    path.parent.mkdir(exist_ok=True)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        return path.as_uri()
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path.as_uri()


def archive(tmp_path, urls, **options):
    return {
        "kind": "archive",
        "urls": urls,
        "downloads": str(tmp_path / "downloads"),
        **options,
    }


def folder(tmp_path):
    fill(tmp_path / "d")
    return {"kind": "folder", "path": str(tmp_path / "d")}


def csv_table(tmp_path):
    fill(tmp_path / "d")
    with (tmp_path / "t.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerows([("path", "label"), *((name, name[0]) for name in FILES), ("gone", "a")])
    return {"kind": "table", "path": str(tmp_path / "t.csv"), "images": str(tmp_path / "d")}


def parquet_table(tmp_path):
    fill(tmp_path / "d")
    rows = {"path": list(FILES), "label": [name[0] for name in FILES]}
    pq.write_table(pa.table(rows), tmp_path / "t.parquet", row_group_size=4)
    return {"kind": "table", "path": str(tmp_path / "t.parquet"), "images": str(tmp_path / "d")}


def one_archive(kind):
    def make(tmp_path):
        return archive(tmp_path, [pack(tmp_path / f"images.{kind}")])

    return make


def three_archives(tmp_path):
    names = list(FILES)
    urls = [pack(tmp_path / f"{i}.tar", {n: FILES[n] for n in names[i::3]}) for i in range(3)]
    return archive(tmp_path, urls)


def inner_archive(tmp_path):
    pack(tmp_path / "inner.tar")
    data = (tmp_path / "inner.tar").read_bytes()
    return archive(tmp_path, [pack(tmp_path / "outer.zip", {"in.tar": data})], inner="in.tar")


def listed(tmp_path):
    lines = ["key,label", *(f"{name},{name[0]}" for name in FILES), "absent.jpg,a", "lost.jpg,b"]
    (tmp_path / "list.csv").write_text("\n".join(lines))
    return archive(
        tmp_path, [pack(tmp_path / "images.zip")], reader={"kind": "listed", "list": "list.csv"}
    )


def member_lists(tmp_path):
    lines = "".join(f"{name} {name[0]}\n" for name in FILES)
    url = pack(tmp_path / "images.tar", FILES | {"all.lst": lines.encode()})
    reader = {
        "kind": "member_lists",
        "lists": {"train": "all.lst"},
        "line": r"(?P<key>\S+) (?P<label>\S+)",
        "member": "{key}",
    }
    return archive(tmp_path, [url], reader=reader)


def matlab(tmp_path):
    streams = io.BytesIO(), io.BytesIO()
    scipy.io.savemat(streams[0], {"labels": [1 + i % 2 for i in range(8)]})
    scipy.io.savemat(streams[1], {"ids": list(range(1, 9))})
    images = {f"image_{i + 1:02d}.jpg": jpeg(i) for i in range(7)}
    urls = [
        pack(tmp_path / "images.tar", images),
        pack(tmp_path / "l.tar", {"l.mat": streams[0].getvalue(), "s.mat": streams[1].getvalue()}),
    ]
    reader = {
        "kind": "matlab",
        "labels": "l.mat:labels",
        "splits": {"train": "s.mat:ids"},
        "member": "image_{number:02d}.jpg",
    }
    return archive(tmp_path, urls, reader=reader)


def webdataset(count):
    def make(tmp_path):
        for number in range(count):
            members = {}
            for name in list(FILES)[number::count]:
                members |= {name: FILES[name], f"{name.rpartition('.')[0]}.cls": name[0].encode()}
            pack(tmp_path / f"w/{number}.tar", members)
        return {"kind": "webdataset", "files": {"all": str(tmp_path / "w/*.tar")}}

    return make


def synthetic(tmp_path):
    images = {"train": 3, "val": 1, "test": 1}
    world = {"name": "fungi", "size": 24, "images_per_class": images}
    return {"kind": "synthetic", "world": world}


SOURCES = {
    "folder": folder,
    "csv": csv_table,
    "parquet": parquet_table,
    "zip": one_archive("zip"),
    "tar": one_archive("tar"),
    "tar.gz": one_archive("tar.gz"),
    "three archives": three_archives,
    "inner": inner_archive,
    "listed": listed,
    "member lists": member_lists,
    "matlab": matlab,
    "webdataset": webdataset(1),
    "webdatasets": webdataset(3),
    "synthetic": synthetic,
}


@pytest.mark.parametrize("kind", SOURCES)
def test_parts_make_the_catalog_of_one_job(tmp_path, kind):
    source = SOURCES[kind](tmp_path)
    found = {}
    for parts in (1, 2, 3):
        out = tmp_path / f"out{parts}"
        config = DatasetConfig.model_validate(
            {"source": source, "parts": parts, "shards": 2 * parts}
        )
        report, tars = acquire_and_curate(out, config, registry=tmp_path)
        assert len(tars) == 2 * parts
        files = [sha256_file(out / name) for name in ("catalog.parquet", "classes.parquet")]
        images = {}
        for split in ("train", "val", "test"):
            stored = ImageSet(out / split)
            assert len(stored.tars) == 2 * parts
            images |= {one.image_id: one.encoded for one in stored.read_many(range(len(stored)))}
        found[parts] = (report, files, images)
    assert found[1] == found[2] == found[3]
    ids = pl.read_parquet(tmp_path / "out1/catalog.parquet")["image_id"].to_list()
    assert sorted(found[1][2]) == ids and len(ids) >= 7


def test_a_part_reads_the_files_of_its_share_alone(tmp_path):
    source = DatasetConfig.model_validate({"source": three_archives(tmp_path)}).source

    def names(part):
        items = open_source("s", source, registry=tmp_path, seed=0, workers=1, part=part)
        return [item.key.split("/")[0] for _, item in items]

    for number in range(3):
        assert set(names(Part(number, 3))) == {f"{number}.tar"}
    assert set(names(Part(0, 4))) == {"0.tar", "1.tar", "2.tar"}  # fewer files than parts


@pytest.mark.parametrize(("files", "parts"), [(1, 2), (3, 2), (3, 5)])
def test_a_hub_repository_by_files_or_row_groups(tmp_path, monkeypatch, files, parts):
    paths = []
    for number in range(files):
        names = list(FILES)[number::files]
        rows = {"image": [FILES[n] for n in names], "label": [n[0] for n in names]}
        paths.append(tmp_path / f"data-{number}.parquet")
        pq.write_table(pa.table(rows), paths[-1], row_group_size=2)
    monkeypatch.setattr(hub, "pin_revision", lambda *_: "commit")
    listing = [(None, path.name) for path in paths]
    monkeypatch.setattr(hub, "_files", lambda *_: listing)
    monkeypatch.setattr(hub, "_ask", lambda _, call: str(tmp_path / call.args[1]))
    source = DatasetConfig.model_validate({"source": {"kind": "hub", "repository": "a/b"}}).source
    opened = functools.partial(open_source, "s", source, registry=tmp_path, seed=0, workers=1)
    whole = list(opened())
    shares = [list(opened(part=Part(number, parts))) for number in range(parts)]
    together = sorted((item for share in shares for item in share), key=lambda item: item[0])
    assert together == whole
    assert len(whole) == len(FILES)
    assert sum(bool(share) for share in shares) == 2
