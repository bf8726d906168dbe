import csv
import hashlib
import io

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from PIL import Image
from pydantic import ValidationError
from source_files import jpeg, png

from acquired_files import acquire_and_curate, acquire_parts
from nicheclip.config.data import DatasetConfig, SplitConfig
from nicheclip.data import (
    acquired,
    acquired_rows,
    catalog_writer,
    draw,
    image_tars,
    left_out,
    near_duplicates,
    near_pairs,
    repeated_images,
    row_stream,
    split_files,
)
from nicheclip.data.acquired_rows import AcquiredPart
from nicheclip.data.curate import curate
from nicheclip.data.image_set import ImageSet
from nicheclip.data.labels import Labels
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import sha256_file
from nicheclip.runtime.manifest import Dropped
from nicheclip.runtime.seeding import stable_hash
from nicheclip.schemas import CATALOG, CLASSES, read_table


def fill(root, files):
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def run(out, source, *, workers=1, shards=1, seed=0, name="set", **options):
    config = DatasetConfig.model_validate({"source": source, "shards": shards} | options)
    report, images = acquire_and_curate(out, config, name=name, seed=seed, workers=workers)
    return report, [out / "catalog.parquet", out / "classes.parquet", *images]


def image_sets(out):
    return {split: ImageSet(out / split) for split in ("train", "val", "test")}


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
        "phash": row["phash"],
    }
    sets = image_sets(tmp_path / "out")
    for split, images in sets.items():
        mine = rows.filter(pl.col("split") == split)
        assert sorted(images.image_ids) == mine["image_id"].to_list()  # none repeats
        tars = [stable_hash("part", one) % 3 for one in images.image_ids]
        assert tars == sorted(tars) and images.tar_sizes == [tars.count(i) for i in range(3)]
        classes = dict(mine.select("image_id", "class_id").iter_rows())
        labels = Labels(images.folder)
        assert labels.class_ids == [classes[one] for one in images.image_ids]
        assert labels.classes == ["a", "b", "c"]
    stored = sets[row["split"]]
    assert stored.read(stored.image_ids.index(identity)).encoded == data
    assert report.counts == {
        "images": 80,
        "classes": 3,
        **{split: rows["split"].to_list().count(split) for split in ("train", "val", "test")},
        "near duplicates": 0,
        "near duplicates of train in test": 0,
    }
    assert report.dropped.examples == report.noted == []


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
def test_the_same_bytes_in_every_run_and_for_any_number_of_workers(tmp_path, photographs, workers):
    fill(photographs, {"a/bad.jpg": b"", "b/bad.jpg": jpeg(1)[:300], "c/twin.jpg": jpeg(0)})
    first, one = run(tmp_path / "one", folder(photographs), shards=2)
    second, two = run(tmp_path / "two", folder(photographs), shards=2, workers=workers)
    assert [sha256_file(path) for path in one] == [sha256_file(path) for path in two]
    assert first == second
    assert len(first.dropped.examples) == 3


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
    assert {dropped.key: dropped.reason for dropped in report.dropped.examples} == {
        "a/cut.jpg": "truncated",
        "a/empty.jpg": "zero bytes",
        "a/text.jpg": "not an image, or of a format that is not read",
        "a/zz.jpg = a/000.jpg": "duplicate of another image",
        "b/zz.jpg (b) = a/000.jpg (a)": "duplicate with another label",
    }
    assert report.counts["images"] == 80
    assert catalog(outputs)["sha256"].is_unique().all()


def test_added_images_move_no_other(tmp_path, photographs):
    by_hash = {"shards": 4, "split": {"method": "hash"}}
    _, before = run(tmp_path / "before", folder(photographs), **by_hash)
    fill(photographs, {f"a/new{i}.jpg": jpeg(1000 + i) for i in range(20)})
    _, after = run(tmp_path / "after", folder(photographs), **by_hash)
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
    report, outputs = run(tmp_path / "out", source)
    cats, other = read_table(outputs[1], CLASSES).to_pylist()
    assert report.noted == [
        Dropped(key="Felidae", reason="its images disagree on the genus: 'Felis', 'Puma'")
    ]
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


def test_a_key_that_stands_twice_is_read_once(tmp_path):
    fill(tmp_path, {"0.jpg": jpeg(0), "1.jpg": jpeg(1)})
    rows = [{"path": path, "label": path} for path in ("0.jpg", "1.jpg", "0.jpg")]
    report, _ = run(tmp_path / "out", write_table(tmp_path / "t.csv", rows))
    assert [(one.key, one.reason) for one in report.dropped.examples] == [
        ("0.jpg = 0.jpg", "duplicate of another image")
    ]


def test_two_keys_with_one_id_are_an_error(tmp_path, photographs, monkeypatch):
    monkeypatch.setattr(
        "nicheclip.data.acquire.image_id", lambda source, key: key[:4].encode().hex() * 2
    )
    with pytest.raises(InputError, match=r"'a/002\.jpg' and 'a/000\.jpg' have the same id"):
        run(tmp_path / "out", folder(photographs))


def test_a_failure_leaves_the_earlier_outputs_as_they_were(tmp_path, photographs, monkeypatch):
    _, outputs = run(tmp_path / "out", folder(photographs), shards=2)
    tables = [*outputs[:2], *(tmp_path / "out").glob("*/*.arrow")]
    before = [sha256_file(path) for path in tables]
    first_letters = lambda source, key: key[:4].encode().hex() * 2  # noqa: E731
    monkeypatch.setattr("nicheclip.data.acquire.image_id", first_letters)
    with pytest.raises(InputError, match="have the same id"):
        run(tmp_path / "out", folder(photographs), shards=2, workers=2)
    assert len(before) == 8 and [sha256_file(path) for path in tables] == before
    names = {path.name for path in (tmp_path / "out").rglob("*") if path.is_file()}
    made = {"rows.parquet", "dropped.parquet", "images.arrow", "labels.arrow"}
    assert names == {*made, *(path.name for path in outputs)}


def test_too_many_shards_for_this_system_are_an_error(tmp_path, photographs, monkeypatch):
    monkeypatch.setattr(image_tars.resource, "getrlimit", lambda _: (70, 80))
    with pytest.raises(InputError, match="at most 16 shards"):
        run(tmp_path / "out", folder(photographs), shards=17)


def test_more_shards_than_images_give_empty_tars(tmp_path, photographs):
    run(tmp_path / "out", folder(photographs), shards=200)
    sizes = ImageSet(tmp_path / "out/train").tar_sizes
    assert len(sizes) == 200 and 0 in sizes and len(ImageSet(tmp_path / "out/train")) > 50


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
    expected = {"images": 12, "classes": 3, "train": 6, "val": 3, "test": 3}
    assert {name: report.counts[name] for name in expected} == expected
    names = {row["class_id"]: row["name"] for row in read_table(outputs[1], CLASSES).to_pylist()}
    assert names["hyphae"] == "fungal hyphae"


def test_a_source_that_fails_leaves_the_images_as_they_were(tmp_path, photographs):
    _, outputs = run(tmp_path / "out", folder(photographs), shards=2)
    part = tmp_path / "out/parts/00000"
    files = [*outputs, part / "rows.parquet", part / "dropped.parquet"]
    before = [sha256_file(path) for path in files]
    (tmp_path / "t.csv").write_text('path,label\n000.jpg,a\n"broken', encoding="utf-8")
    with pytest.raises(InputError, match="not a well-formed CSV"):
        run(tmp_path / "out", {"kind": "table", "path": str(tmp_path / "t.csv")}, shards=2)
    assert [sha256_file(path) for path in files] == before


def test_another_split_reads_no_image_again(tmp_path, photographs):
    """The catalog of given rows, without the source and the tars, is that of a whole run."""
    config = DatasetConfig.model_validate({"source": folder(photographs), "shards": 2})
    files = acquire_parts(tmp_path / "one", config)
    for tar in files[0].tars:
        tar.unlink()
    _, whole = run(tmp_path / "two", folder(photographs), shards=2, split={"val": 0.3})
    out = tmp_path / "one"
    parts = [AcquiredPart.of(one, out) for one in files]
    curate("set", SplitConfig(val=0.3), seed=0, parts=parts, folder=out)
    assert sha256_file(out / "catalog.parquet") == sha256_file(whole[0])
    for name in ("images", "labels"):
        two = tmp_path / f"two/val/{name}.arrow"
        assert sha256_file(out / f"val/{name}.arrow") == sha256_file(two)


def test_rows_leave_memory_in_groups(tmp_path, photographs, monkeypatch):
    _, expected = run(tmp_path / "plain", folder(photographs), shards=3)
    monkeypatch.setattr(acquired, "ROWS_AT_ONCE", 32)
    monkeypatch.setattr(row_stream, "ROWS_AT_ONCE", 32)
    monkeypatch.setattr(acquired_rows, "ROWS_AT_ONCE", 16)
    monkeypatch.setattr(repeated_images, "ROWS_OF_A_BUCKET", 10)
    monkeypatch.setattr(catalog_writer, "ROWS_OF_A_BUCKET", 10)
    monkeypatch.setattr(draw, "IMAGES_OF_A_BUCKET", 10)
    monkeypatch.setattr(split_files, "ROWS_OF_A_BUCKET", 10)
    monkeypatch.setattr(near_duplicates, "HASHES_OF_A_BUCKET", 10)
    monkeypatch.setattr(near_pairs, "HASHES_OF_A_BUCKET", 10)
    _, outputs = run(tmp_path / "out", folder(photographs), shards=3)
    rows = tmp_path / "out/parts/00000/rows.parquet"
    assert pq.read_metadata(rows).num_row_groups == 3  # 80 images
    assert pl.read_parquet(rows)["position"].to_list() == list(range(80))
    assert pq.read_metadata(outputs[0]).num_row_groups == 8
    assert catalog(outputs).equals(catalog(expected))
    assert sha256_file(outputs[1]) == sha256_file(expected[1])
    for name in ("train/images", "train/labels", "val/images", "test/labels"):
        one, other = (tmp_path / f"{out}/{name}.arrow" for out in ("plain", "out"))
        assert sha256_file(one) == sha256_file(other)


def test_of_many_left_out_images_the_first_are_listed(tmp_path, monkeypatch):
    monkeypatch.setattr(left_out, "LISTED", 3)
    monkeypatch.setattr(repeated_images, "LISTED", 3)
    files = {f"{'ab'[i % 2]}/{i}.jpg": jpeg(i) for i in range(6)}
    files |= {f"{'ab'[i % 2]}/again-{i}.jpg": jpeg(i) for i in range(5)} | {"a/!.jpg": b"none"}
    fill(tmp_path / "d", files)
    report, _ = run(tmp_path / "out", folder(tmp_path / "d"))
    assert report.counts["images"] == 6 and report.dropped.counts == {
        "duplicate of another image": 5,
        "not an image, or of a format that is not read": 1,
    }
    assert [one.key for one in report.dropped.examples] == [
        "a/!.jpg",
        "a/again-0.jpg = a/0.jpg",
        "a/again-2.jpg = a/2.jpg",
    ]


def test_what_a_killed_job_left_goes_with_the_next(tmp_path, photographs):
    part = tmp_path / "out/parts/00000"
    (part / ".rows-abc/.spool-x").mkdir(parents=True)
    (part / "images").mkdir()
    for name in (".rows-abc/.spool-x/0", ".rows.x.tmp.parquet", "images/.00000.y.tmp.tar"):
        (part / name).write_bytes(b"left")
    run(tmp_path / "out", folder(photographs))
    assert sorted(path.name for path in part.rglob("*")) == [
        "00000.tar",
        "dropped.parquet",
        "images",
        "rows.parquet",
    ]


def test_images_that_the_registry_does_not_expect_are_noted(tmp_path, photographs, caplog):
    config = DatasetConfig.model_validate({"source": folder(photographs)})
    report, _ = acquire_and_curate(tmp_path, config, expected={"all": 80})
    assert report.noted == [] and caplog.text == ""
    report, _ = acquire_and_curate(tmp_path, config, expected={"train": 81})
    expected = "the registry expects {'train': 81} images, the source gave {'all': 80}"
    assert report.noted == [Dropped(key="set", reason=expected)] and expected in caplog.text


def test_splits_follow_the_bytes_and_no_name(tmp_path, photographs):
    """Another name of the data set and of every class and file: the same bytes in each split."""
    renamed = tmp_path / "renamed"
    for path in photographs.rglob("*.*"):
        target = renamed / f"class {path.parent.name}" / f"photo-{path.name}"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    for method in ("stratified", "hash"):
        split = {"method": method, "test": 0.3}
        _, one = run(tmp_path / f"one-{method}", folder(photographs), split=split)
        _, two = run(tmp_path / f"two-{method}", folder(renamed), split=split, name="other")
        splits = [dict(catalog(o).select("sha256", "split").iter_rows()) for o in (one, two)]
        assert splits[0] == splits[1] and len(splits[0]) == 80


def photograph(seed, size=96, quality=95):
    """A version of one of many photographs."""
    noise = np.random.default_rng(seed).integers(0, 255, (6, 6, 3), np.uint8)
    image = Image.fromarray(noise).resize((96, 96), Image.Resampling.BICUBIC)
    stream = io.BytesIO()
    image.resize((size, size)).save(stream, "JPEG", quality=quality)
    return stream.getvalue()


@pytest.fixture
def versions(tmp_path):
    """Forty photographs of two classes, thirty of them saved again and at half the size as well."""
    files = {}
    for i in range(40):
        names = {"plain": {}, "again": {"quality": 60}, "half": {"size": 48}}
        for name in list(names)[: 3 if i < 30 else 1]:
            files[f"{'ab'[i % 2]}/{i:02d}-{name}.jpg"] = photograph(i, **names[name])
    fill(tmp_path / "versions", files)
    return tmp_path / "versions"


def splits_by_photograph(outputs):
    """The splits that the versions of each photograph are in."""
    rows = catalog(outputs).with_columns(photograph=pl.col("key").str.slice(2, 2))
    grouped = rows.group_by("photograph").agg(pl.col("split").unique())
    return dict(grouped.iter_rows())


@pytest.mark.parametrize("method", ["stratified", "hash"])
def test_versions_of_a_photograph_are_counted_and_can_be_kept_together(
    tmp_path, versions, method, caplog
):
    split = {"method": method, "val": 0.2, "test": 0.3}
    report, outputs = run(tmp_path / "apart", folder(versions), split=split)
    assert report.counts["near duplicates"] == 90
    found = splits_by_photograph(outputs)
    crossing = [one for one, splits in found.items() if {"train", "test"} <= set(splits)]
    judged = report.counts["near duplicates of train in test"]
    assert len(crossing) > 5 and judged >= len(crossing)
    assert f"{judged} have a near duplicate that trains" in caplog.text
    caplog.clear()
    together = split | {"keep_together": ["near_duplicates"]}
    report, outputs = run(tmp_path / "together", folder(versions), split=together)
    assert {len(splits) for splits in splits_by_photograph(outputs).values()} == {1}
    assert report.counts["near duplicates of train in test"] == 0 and caplog.text == ""
    if method == "stratified":
        assert 20 <= report.counts["test"] <= 40 and 10 <= report.counts["val"] <= 30  # of 100


def test_a_pattern_of_the_file_name_or_a_column_keeps_images_together(tmp_path, versions):
    split = {"keep_together": ["group"], "group_pattern": r"/(\d\d)-", "test": 0.3}
    _, outputs = run(tmp_path / "pattern", folder(versions), split=split)
    assert {len(splits) for splits in splits_by_photograph(outputs).values()} == {1}
    table = [
        {"path": key, "label": key[0], "slide": str(int(key[2:4]) // 4)}
        for key in catalog(outputs)["key"]
    ]
    source = write_table(versions / "t.csv", table) | {"columns": {"group": "slide"}}
    _, outputs = run(tmp_path / "column", source, split={"keep_together": ["group"]})
    slides = {row["path"]: row["slide"] for row in table}
    crossed = {}
    for key, split_name in catalog(outputs).select("key", "split").iter_rows():
        crossed.setdefault(slides[key], set()).add(split_name)
    assert len(crossed) == 10 and {len(names) for names in crossed.values()} == {1}


def test_near_duplicates_need_not_be_looked_for(tmp_path, versions):
    report, _ = run(tmp_path, folder(versions), split={"near_duplicate_bits": None})
    assert "near duplicates" not in report.counts
    with pytest.raises(ValidationError, match="needs near_duplicate_bits"):
        SplitConfig(near_duplicate_bits=None, keep_together=["near_duplicates"])
    with pytest.raises(ValidationError, match="not a regular expression"):
        SplitConfig(group_pattern="(")


def test_classes_that_differ_in_their_writing_alone_are_noted(tmp_path, caplog):
    names = ("Rose", "rose", "sea_ice", "Sea ice", "other")
    fill(tmp_path / "d", {f"{name}/1.jpg": jpeg(i) for i, name in enumerate(names)})
    report, _ = run(tmp_path / "out", folder(tmp_path / "d"))
    assert report.noted == [
        Dropped(key="rose", reason="several classes are called so: 'Rose', 'rose'"),
        Dropped(key="sea ice", reason="several classes are called so: 'Sea ice', 'sea_ice'"),
    ]
    assert "several classes are called so: 'Rose', 'rose'" in caplog.text


def rows_with_splits(photographs):
    """Of a table; the first ten of each class are for test."""
    return [
        {"path": path.relative_to(photographs).as_posix(), "label": path.parent.name}
        | {"split": "test" if path.name < "010" else "train"}
        for path in photographs.rglob("*.*")
    ]


def test_splits_of_the_source_that_are_drawn_anew_are_noted(tmp_path, photographs):
    rows = rows_with_splits(photographs)
    source = write_table(photographs / "t.csv", rows)
    report, _ = run(tmp_path / "given", source, split={"method": "given"})
    assert report.noted == [] and report.counts["test"] == 20
    report, _ = run(tmp_path / "drawn", source, split={"method": "stratified", "test": 0.5})
    assert [one.key for one in report.noted] == ["set"]
    assert "`split: {method: given}` keeps its own" in report.noted[0].reason


def test_validation_images_can_be_taken_from_a_given_train_split(tmp_path, photographs):
    rows = rows_with_splits(photographs)
    source = write_table(photographs / "t.csv", rows)
    split = {"method": "given", "val_from_train": 0.2}
    report, outputs = run(tmp_path / "out", source, split=split)
    assert {name: report.counts[name] for name in ("train", "val", "test")} == {
        "train": 48,
        "val": 12,
        "test": 20,
    }
    test = catalog(outputs).filter(split="test")["key"]
    assert all(key.rpartition("/")[2] < "010" for key in test)
    rows[0]["split"] = "val"  # a source that has its own keeps them
    report, _ = run(tmp_path / "own", write_table(photographs / "t.csv", rows), split=split)
    assert report.counts["val"] == 1
