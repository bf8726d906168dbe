import csv
import hashlib

import polars as pl
import pyarrow.parquet as pq
import pytest
from source_files import jpeg, png

from acquired_files import acquire_and_curate
from nicheclip.config.data import DatasetConfig, SplitConfig
from nicheclip.data import acquired
from nicheclip.data import parts as parts_module
from nicheclip.data.curate import curate
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import sha256_file
from nicheclip.runtime.seeding import stable_hash
from nicheclip.schemas import CATALOG, CLASSES, IMAGES, read_table


def fill(root, files):
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def run(out, source, *, workers=1, shards=1, seed=0, name="set", **options):
    config = DatasetConfig.model_validate({"source": source, "shards": shards} | options)
    report, images = acquire_and_curate(out, config, name=name, seed=seed, workers=workers)
    return report, [out / "catalog.parquet", out / "classes.parquet", *images]


def catalog(outputs):
    return pl.from_arrow(read_table(outputs[0], CATALOG))


def folder(path):
    return {"kind": "folder", "path": str(path)}


@pytest.fixture
def photographs(tmp_path):
    root = tmp_path / "data"
    files = {f"{'ab'[i % 2]}/{i:03d}.jpg": jpeg(i) for i in range(60)}
    files |= {f"c/{i:03d}.png": png(i) for i in range(20)}
    fill(root, files)
    return root


def test_rows_follow_the_contract(tmp_path, photographs):
    report, outputs = run(tmp_path / "out", folder(photographs), shards=3)
    rows = catalog(outputs)
    assert rows["image_id"].to_list() == sorted(rows["image_id"])
    row = rows.row(by_predicate=pl.col("key") == "a/000.jpg", named=True)
    data = (photographs / "a/000.jpg").read_bytes()
    identity = hashlib.sha256(b"set\0a/000.jpg").hexdigest()[:16]
    assert row == {
        "image_id": identity,
        "source": "set",
        "key": "a/000.jpg",
        "sha256": hashlib.sha256(data).hexdigest(),
        "width": 24,
        "height": 16,
        "split": row["split"],
        "class_id": "a",
        "licence": None,
        "rights_holder": None,
        "url": None,
        "attributes": None,
        "part": stable_hash("part", identity) % 3,
    }
    for part, path in enumerate(outputs[2:]):
        stored = pl.from_arrow(read_table(path, IMAGES))
        mine = rows.filter(pl.col("part") == part)
        assert stored["image_id"].sort().to_list() == mine["image_id"].to_list()  # none repeats
    stored = pl.concat([pl.from_arrow(read_table(path, IMAGES)) for path in outputs[2:]])
    assert stored.row(by_predicate=pl.col("image_id") == identity)[1] == data
    assert report.counts == {
        "images": 80,
        "classes": 3,
        **{split: rows["split"].to_list().count(split) for split in ("train", "val", "test")},
        "converted: format": 20,
    }
    assert report.dropped == []


def test_classes_count_their_images(tmp_path, photographs):
    _, outputs = run(tmp_path / "out", folder(photographs))
    classes = read_table(outputs[1], CLASSES).to_pylist()
    assert [(row["class_id"], row["name"], row["images"]) for row in classes] == [
        ("a", "a", 30),
        ("b", "b", 30),
        ("c", "c", 20),
    ]
    assert classes[0]["kingdom"] == classes[0]["common"] == ""


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_the_same_bytes_in_every_run_and_for_any_number_of_workers(
    tmp_path, photographs, workers, monkeypatch
):
    monkeypatch.setattr(parts_module, "ROW_GROUP_BYTES", 3000)
    fill(photographs, {"a/bad.jpg": b"", "b/bad.jpg": jpeg(1)[:300], "c/twin.jpg": jpeg(0)})
    first, one = run(tmp_path / "one", folder(photographs), shards=2)
    second, two = run(tmp_path / "two", folder(photographs), shards=2, workers=workers)
    assert [sha256_file(path) for path in one] == [sha256_file(path) for path in two]
    assert first == second
    assert len(first.dropped) == 3
    assert pq.read_metadata(one[2]).num_row_groups > 2


def test_bad_and_repeated_images_are_dropped_with_a_reason(tmp_path, photographs):
    twin = (photographs / "a/000.jpg").read_bytes()
    fill(
        photographs,
        {
            "a/empty.jpg": b"",
            "a/cut.jpg": jpeg(500, (200, 200))[:900],
            "a/text.jpg": b"no image",
            "a/zz.jpg": twin,
            "b/zz.jpg": twin,
        },
    )
    report, outputs = run(tmp_path / "out", folder(photographs))
    assert {dropped.key: dropped.reason for dropped in report.dropped} == {
        "a/cut.jpg": "truncated",
        "a/empty.jpg": "zero bytes",
        "a/text.jpg": "not an image, or of a format that is not read",
        "a/zz.jpg = a/000.jpg": "duplicate of another image",
        "b/zz.jpg (b) = a/000.jpg (a)": "duplicate with another label",
    }
    assert report.counts["images"] == 80
    assert catalog(outputs)["sha256"].is_unique().all()


def test_added_images_move_no_other(tmp_path, photographs):
    _, before = run(tmp_path / "before", folder(photographs), shards=4)
    fill(photographs, {f"a/new{i}.jpg": jpeg(1000 + i) for i in range(20)})
    _, after = run(tmp_path / "after", folder(photographs), shards=4)
    old = catalog(before)
    assert old.equals(catalog(after).filter(pl.col("image_id").is_in(old["image_id"].implode())))


def write_table(path, rows):
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return {"kind": "table", "path": str(path)}


def test_a_class_keeps_the_ranks_on_which_its_images_agree(tmp_path):
    fill(tmp_path, {f"{i}.jpg": jpeg(i) for i in range(4)})
    shared = {"label": "Felidae", "kingdom": "Animalia", "family": "Felidae"}
    source = write_table(
        tmp_path / "t.csv",
        [
            {"path": "0.jpg", **shared, "genus": "Felis", "common": "", "licence": "CC0"},
            {"path": "1.jpg", **shared, "genus": "Puma", "common": "cats", "licence": ""},
            {"path": "2.jpg", **shared, "genus": "Felis", "common": "", "licence": ""},
            {"path": "3.jpg", "label": "other"},
        ],
    )
    _, outputs = run(tmp_path / "out", source)
    cats, other = read_table(outputs[1], CLASSES).to_pylist()
    assert (cats["kingdom"], cats["family"], cats["genus"]) == ("Animalia", "Felidae", "")
    assert (cats["common"], cats["images"]) == ("cats", 3)
    assert other["kingdom"] == ""
    licences = catalog(outputs).sort("key")["licence"].to_list()
    assert licences == ["CC0", None, None, None]


def test_given_splits_are_taken_as_they_are(tmp_path):
    fill(tmp_path / "d", {f"{s}/{c}/1.jpg": jpeg(i) for i, (s, c) in enumerate(PLACES)})
    source = {**folder(tmp_path / "d"), "split_folders": True}
    _, outputs = run(tmp_path / "out", source, split={"method": "given"})
    assert {(row["key"].split("/")[0], row["split"]) for row in catalog(outputs).to_dicts()} == {
        ("train", "train"),
        ("valid", "val"),
        ("test", "test"),
    }


PLACES = [(split, label) for split in ("train", "valid", "test") for label in "ab"]


def test_a_given_split_that_is_missing_is_an_error(tmp_path, photographs):
    with pytest.raises(InputError, match=r"a/000\.jpg: .*names no split"):
        run(tmp_path / "out", folder(photographs), split={"method": "given"})
    assert not (tmp_path / "out/catalog.parquet").exists()


def test_one_class_is_an_error_that_sums_up_what_was_dropped(tmp_path):
    fill(tmp_path / "d", {"a/1.jpg": jpeg(1), "b/2.jpg": b"", "b/3.jpg": b"", "b/4.txt": b""})
    with pytest.raises(
        InputError, match=r"set: 1 images are left, of a; .*2 x zero bytes; 1 x not an image file"
    ):
        run(tmp_path / "out", folder(tmp_path / "d"))


def test_no_image_is_an_error(tmp_path):
    (tmp_path / "d").mkdir()
    with pytest.raises(InputError, match=r"0 images are left, of no class.*Dropped: nothing"):
        run(tmp_path / "out", folder(tmp_path / "d"))


def test_a_key_that_stands_twice_is_an_error(tmp_path):
    fill(tmp_path, {"0.jpg": jpeg(0), "1.jpg": jpeg(1)})
    rows = [{"path": path, "label": path} for path in ("0.jpg", "1.jpg", "0.jpg")]
    with pytest.raises(InputError, match=r"names '0\.jpg' twice"):
        run(tmp_path / "out", write_table(tmp_path / "t.csv", rows))


def test_two_keys_with_one_id_are_an_error(tmp_path, photographs, monkeypatch):
    monkeypatch.setattr("nicheclip.data.acquire.image_id", lambda source, key: key[:4])
    with pytest.raises(InputError, match=r"'a/002\.jpg' and 'a/000\.jpg' have the same id"):
        run(tmp_path / "out", folder(photographs))


def test_a_failure_leaves_the_earlier_outputs_as_they_were(tmp_path, photographs):
    _, outputs = run(tmp_path / "out", folder(photographs), shards=2)
    before = [sha256_file(path) for path in outputs]
    fill(tmp_path, {"0.jpg": jpeg(0), "1.jpg": jpeg(1)})
    rows = [{"path": path, "label": path} for path in ("0.jpg", "1.jpg", "0.jpg")]
    with pytest.raises(InputError):
        run(tmp_path / "out", write_table(tmp_path / "t.csv", rows), shards=2, workers=2)
    assert [sha256_file(path) for path in outputs[:2]] == before[:2]
    names = {path.name for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert names == {"rows.parquet", "dropped.parquet", *(path.name for path in outputs)}


def test_too_many_shards_for_this_system_are_an_error(tmp_path, photographs, monkeypatch):
    monkeypatch.setattr(parts_module.resource, "getrlimit", lambda _: (70, 80))
    with pytest.raises(InputError, match="at most 16 shards"):
        run(tmp_path / "out", folder(photographs), shards=17)


def test_more_shards_than_images_give_empty_parts(tmp_path, photographs):
    _, outputs = run(tmp_path / "out", folder(photographs), shards=200)
    sizes = [read_table(path, IMAGES).num_rows for path in outputs[2:]]
    assert sum(sizes) == 80 and 0 in sizes


def test_large_images_are_shrunk(tmp_path):
    fill(tmp_path / "d", {"a/1.jpg": jpeg(1, (100, 50)), "b/2.jpg": jpeg(2, (40, 80))})
    report, outputs = run(tmp_path / "out", folder(tmp_path / "d"), image={"max_side": 60})
    sizes = catalog(outputs).sort("key").select("width", "height").rows()
    assert sizes == [(60, 30), (30, 60)]
    assert report.counts["converted: size"] == 2


def test_the_synthetic_world_is_a_source(tmp_path):
    source = {
        "kind": "synthetic",
        "world": {
            "name": "fungi",
            "size": 32,
            "images_per_class": {"train": 2, "val": 1, "test": 1},
        },
    }
    report, outputs = run(tmp_path / "out", source, split={"method": "given"})
    assert report.counts == {"images": 12, "classes": 3, "train": 6, "val": 3, "test": 3}
    names = {row["class_id"]: row["name"] for row in read_table(outputs[1], CLASSES).to_pylist()}
    assert names["hyphae"] == "fungal hyphae"


def test_a_source_that_fails_leaves_the_images_as_they_were(tmp_path, photographs):
    _, outputs = run(tmp_path / "out", folder(photographs), shards=2)
    files = [*outputs, tmp_path / "out/rows.parquet", tmp_path / "out/dropped.parquet"]
    before = [sha256_file(path) for path in files]
    (tmp_path / "t.csv").write_text('path,label\n000.jpg,a\n"broken', encoding="utf-8")
    with pytest.raises(InputError, match="not a well-formed CSV"):
        run(tmp_path / "out", {"kind": "table", "path": str(tmp_path / "t.csv")}, shards=2)
    assert [sha256_file(path) for path in files] == before


def test_another_split_reads_no_image_again(tmp_path, photographs):
    """The catalog of given rows, without the source, is that of a whole run."""
    run(tmp_path / "one", folder(photographs), shards=2)
    _, whole = run(tmp_path / "two", folder(photographs), shards=2, split={"val": 0.3})
    curate(
        "set",
        SplitConfig(val=0.3),
        seed=0,
        rows=tmp_path / "one/rows.parquet",
        dropped=tmp_path / "one/dropped.parquet",
        catalog=tmp_path / "again.parquet",
        classes=tmp_path / "classes.parquet",
    )
    assert sha256_file(tmp_path / "again.parquet") == sha256_file(whole[0])


def test_rows_leave_memory_in_groups(tmp_path, photographs, monkeypatch):
    monkeypatch.setattr(acquired, "ROWS_AT_ONCE", 32)
    run(tmp_path / "out", folder(photographs))
    assert pq.read_metadata(tmp_path / "out/rows.parquet").num_row_groups == 3  # 80 images
    rows = pl.read_parquet(tmp_path / "out/rows.parquet")
    assert rows["position"].to_list() == list(range(80))
