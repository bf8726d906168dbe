import json
import os
import pickle
import tarfile
from dataclasses import replace

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import webdataset as wds

from nicheclip.data import shard_reader
from nicheclip.data.shard_reader import ShardSet
from nicheclip.data.shards import ShardInputs, join_indexes, shard_files, write_part
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import sha256_file, write_parquet
from nicheclip.schemas import CATALOG, IMAGES, read_table

IDS = [f"{i:016x}" for i in range(10)]


@pytest.fixture
def inputs():
    rows = [
        {
            **dict.fromkeys(CATALOG.names),
            "image_id": image_id,
            "split": "train" if i < 7 else "val",
            "class_id": "ab"[i % 2],
            "licence": "CC BY 4.0",
            "part": 0,
        }
        for i, image_id in enumerate(IDS)
    ]
    catalog = pl.from_dicts(rows, infer_schema_length=None)
    texts = {"a": {"com": "a photo of Ant."}, "b": {"com": "a photo of Bee."}}
    return ShardInputs(
        catalog, {"a": "Ant", "b": "Bee"}, texts, {IDS[0]: "An ant."}, {"a": "f" * 16}
    )


@pytest.fixture
def images(tmp_path):
    path = tmp_path / "images.parquet"
    table = pl.DataFrame({"image_id": IDS, "jpg": [b"jpeg" + bytes([i]) for i in range(10)]})
    write_parquet(path, table.to_arrow().cast(IMAGES))
    return path


def test_shards_hold_every_sample_once_and_any_webdataset_reader_reads_them(
    tmp_path, inputs, images
):
    assert write_part(images, 0, inputs, tmp_path) == {"train": 7, "val": 3, "test": 0}
    samples = list(wds.WebDataset(str(shard_files(tmp_path, "train", 0).tar), shardshuffle=False))
    assert sorted(s["__key__"] for s in samples) == IDS[:7]
    first = next(s for s in samples if s["__key__"] == IDS[0])
    assert first["jpg"] == b"jpeg\0"
    description = json.loads(first["json"])
    assert description["texts"] == {"com": "a photo of Ant.", "caption": "An ant."}
    assert description["licence"] == "CC BY 4.0"
    taxa = {d["class_id"]: d.get("taxon_id") for d in (json.loads(s["json"]) for s in samples)}
    assert taxa == {"a": "f" * 16, "b": None}


def write_all(images, inputs, folder):
    write_part(images, 0, inputs, folder)
    join_indexes(folder, 1)


def test_random_access_gives_the_bytes_of_the_tar(tmp_path, inputs, images):
    write_all(images, inputs, tmp_path)
    shards = pickle.loads(pickle.dumps(ShardSet(tmp_path / "train")))
    assert len(shards) == 7 and shards.shard_sizes == [7]
    with tarfile.open(shard_files(tmp_path, "train", 0).tar) as tar:
        for i, image_id in enumerate(shards.image_ids):
            sample = shards.read(i)
            assert sample.jpg == tar.extractfile(f"{image_id}.jpg").read()
            assert shards.jpg_sizes[i] == len(sample.jpg)
            assert sample.name == {"a": "Ant", "b": "Bee"}[sample.class_id]


def test_texts_are_read_without_the_images(tmp_path, inputs, images, monkeypatch):
    write_all(images, inputs, tmp_path)
    shards = ShardSet(tmp_path / "train")
    expected = [shards.read(i).texts for i in range(len(shards))]
    read = []
    pread = os.pread

    def counting(handle, size, offset):
        read.append(size)
        return pread(handle, size, offset)

    monkeypatch.setattr(os, "pread", counting)
    assert [shards.read_texts(i) for i in range(len(shards))] == expected
    assert {"caption": "An ant.", "com": "a photo of Ant."} in expected
    # one member each: the JSON, not the image
    assert len(read) == 7 and not set(read) & set(shards.jpg_sizes)


def test_an_empty_split_gives_an_empty_shard(tmp_path, inputs, images):
    write_all(images, inputs, tmp_path)
    assert len(ShardSet(tmp_path / "test")) == 0


def test_same_inputs_same_bytes(tmp_path, inputs, images):
    write_part(images, 0, inputs, tmp_path / "one")
    write_part(images, 0, inputs, tmp_path / "two")
    for split in ("train", "val", "test"):
        for one, two in zip(
            vars(shard_files(tmp_path / "one", split, 0)).values(),
            vars(shard_files(tmp_path / "two", split, 0)).values(),
            strict=True,
        ):
            assert sha256_file(one) == sha256_file(two)


def test_sizes_count_the_samples_of_each_tar(tmp_path, inputs, images):
    write_part(images, 0, inputs, tmp_path)
    assert join_indexes(tmp_path, 1) == {"train": 7, "val": 3, "test": 0}
    assert ShardSet(tmp_path / "val").shard_sizes == [3]


def test_an_image_of_the_catalog_without_bytes_is_an_error(tmp_path, inputs, images):
    write_parquet(images, read_table(images, IMAGES).slice(1))
    with pytest.raises(InputError, match=f"1 images of the catalog, the first {IDS[0]}.*acquire"):
        write_part(images, 0, inputs, tmp_path)
    assert not (tmp_path / "train").exists()


def test_images_that_curating_dropped_are_passed_over(tmp_path, inputs, images):
    catalog = inputs.catalog.filter(pl.col("image_id") != IDS[3])
    write_all(images, replace(inputs, catalog=catalog), tmp_path)
    assert IDS[3] not in ShardSet(tmp_path / "train").image_ids
    assert len(ShardSet(tmp_path / "train")) == 6


def test_a_cut_tar_is_an_error(tmp_path, inputs, images):
    write_all(images, inputs, tmp_path)
    tar = shard_files(tmp_path, "train", 0).tar
    tar.write_bytes(tar.read_bytes()[:2000])
    with pytest.raises(InputError, match=r"00000\.tar: ends before byte"):
        ShardSet(tmp_path / "train").read(6)


def test_shards_that_an_earlier_config_left_are_not_read(tmp_path, inputs, images):
    write_part(images, 0, inputs, tmp_path)
    for kind in ("tar", "index"):
        old = getattr(shard_files(tmp_path, "train", 0), kind)
        getattr(shard_files(tmp_path, "train", 1), kind).write_bytes(old.read_bytes())
    join_indexes(tmp_path, 1)
    assert len(ShardSet(tmp_path / "train")) == 7


def test_numbers_that_the_source_measured_travel_with_the_sample(tmp_path, inputs, images):
    attributes = pl.when(pl.col("image_id") == IDS[2]).then(pl.lit('{"time_s": 12.5}'))
    catalog = inputs.catalog.with_columns(attributes=attributes)
    write_all(images, replace(inputs, catalog=catalog), tmp_path)
    with tarfile.open(shard_files(tmp_path, "train", 0).tar) as tar:
        descriptions = {i: json.load(tar.extractfile(f"{i}.json")) for i in IDS[:7]}
    assert descriptions[IDS[2]]["attributes"] == {"time_s": 12.5}
    assert "attributes" not in descriptions[IDS[1]]


def test_a_folder_without_shards_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"index\.arrow: not there"):
        ShardSet(tmp_path)


@pytest.fixture
def three_tars(tmp_path):
    """Seven images of seven classes in three tars, the second of them empty."""
    rows = [
        dict.fromkeys(CATALOG.names)
        | {"image_id": i, "class_id": f"c{n % 4}", "split": "train", "part": 2 * (n % 2)}
        for n, i in enumerate(IDS[:7])
    ]
    catalog = pl.from_dicts(rows, infer_schema_length=None)
    names = {f"c{n}": f"Class {n}" for n in range(4)}
    for part in range(3):
        of_part = [row["image_id"] for row in rows if row["part"] == part]
        path = tmp_path / f"images-{part}.parquet"
        members = {"image_id": of_part, "jpg": [i.encode() * 50 for i in of_part]}
        write_parquet(path, pa.table(members, schema=IMAGES))
        write_part(path, part, ShardInputs(catalog, names, {}, {}, {}), tmp_path)
    join_indexes(tmp_path, 3)
    return ShardSet(tmp_path / "train")


def test_samples_are_numbered_through_the_tars(three_tars):
    assert three_tars.shard_sizes == [4, 0, 3] and len(three_tars) == 7
    assert three_tars.classes == ["c0", "c1", "c2", "c3"]
    samples = [three_tars.read(i) for i in range(7)]
    assert [s.image_id for s in samples] == three_tars.image_ids
    assert [s.class_id for s in samples] == three_tars.class_ids
    assert {s.image_id for s in samples[:4]} == {IDS[0], IDS[2], IDS[4], IDS[6]}
    assert all(s.jpg == s.image_id.encode() * 50 for s in samples)
    assert [three_tars.image_id(i) for i in range(7)] == three_tars.image_ids
    for number in (7, -1):
        with pytest.raises(IndexError, match=f"sample {number} of 7"):
            three_tars.read(number)


def test_neighbours_are_read_together_and_come_in_the_order_asked_for(three_tars, monkeypatch):
    reads = []
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda *a: reads.append(a[1]) or pread(*a))
    asked = [6, 1, 3, 0, 2, 4]
    samples = list(three_tars.read_many(asked))
    assert [s.image_id for s in samples] == [three_tars.image_ids[i] for i in asked]
    assert all(s.jpg == s.image_id.encode() * 50 for s in samples)
    assert len(reads) == 2  # one for each tar: 4 and 6 are near enough, with 5 between them
    reads.clear()
    monkeypatch.setattr(shard_reader, "LARGEST_GAP", 1000)
    list(three_tars.read_many(asked))
    assert len(reads) == 3  # a sample takes 3 KB
    reads.clear()
    monkeypatch.setattr(shard_reader, "LARGEST_READ", 1)
    list(three_tars.read_many(asked))
    assert len(reads) == 6


def test_a_pickled_set_is_its_folder(three_tars):
    assert len(pickle.dumps(three_tars)) < 300
    assert pickle.loads(pickle.dumps(three_tars)).read(5).image_id == three_tars.image_ids[5]


def test_a_damaged_index_is_an_error(three_tars):
    file = three_tars.folder / "index.arrow"
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(InputError, match=r"index\.arrow: not a readable index .*shards stage"):
        ShardSet(three_tars.folder)
    pq.write_table(pa.table({"a": [1]}), file)
    with pytest.raises(InputError, match="not a readable index"):
        ShardSet(three_tars.folder)
    with pa.OSFile(str(file), "wb") as out, pa.ipc.new_file(out, IMAGES):
        pass
    with pytest.raises(InputError, match="it has other columns"):
        ShardSet(three_tars.folder)
