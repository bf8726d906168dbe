import json
import tarfile

import pyarrow as pa
import pytest
import webdataset as wds

from image_sets import write_class_texts, write_images, write_row_captions
from nicheclip.data.image_set import ImageSet
from nicheclip.data.labels import Labels
from nicheclip.data.sample_texts import SampleTexts
from nicheclip.data.webdataset_export import Split, export_tar
from nicheclip.runtime.files import sha256_file, write_parquet
from nicheclip.schemas import CATALOG

PNG = b"\x89PNG"
IDS = [f"{i:016x}" for i in range(10)]


@pytest.fixture
def split(tmp_path):
    """Seven images of two classes in one tar, and three of another split."""
    rows = [
        {
            "image_id": image_id,
            "split": "train" if i < 7 else "val",
            "class_id": "ab"[i % 2],
            "jpg": (PNG if i == 4 else b"jpeg") + bytes([i]),
            "tar": 0,
        }
        for i, image_id in enumerate(IDS)
    ]
    folder = write_images(tmp_path / "images", rows)
    catalog = [
        dict.fromkeys(CATALOG.names)
        | {k: row[k] for k in ("image_id", "split", "class_id")}
        | {"licence": "CC BY 4.0", "attributes": '{"time_s": 12.5}' if i == 2 else None}
        for i, row in enumerate(rows)
    ]
    write_parquet(tmp_path / "catalog.parquet", pa.Table.from_pylist(catalog, schema=CATALOG))
    class_texts = write_class_texts(
        tmp_path, {"a": {"com": "a photo of Ant."}, "b": {"com": "a photo of Bee."}}
    )
    captions = write_row_captions(folder, {IDS[0]: "An ant."})
    labels = Labels(folder / "train")
    return Split(
        ImageSet(folder / "train"),
        labels,
        SampleTexts(labels, class_texts, captions / "train.arrow"),
        tmp_path / "catalog.parquet",
        {"a": "Ant", "b": "Bee"},
        {"a": "f" * 16},
    )


def test_shards_hold_every_sample_once_and_any_webdataset_reader_reads_them(tmp_path, split):
    assert export_tar(split, 0, tmp_path / "0.tar") == 7
    samples = list(wds.WebDataset(str(tmp_path / "0.tar"), shardshuffle=False))
    assert [s["__key__"] for s in samples] == split.images.image_ids
    first = next(s for s in samples if s["__key__"] == IDS[0])
    assert first["jpg"] == b"jpeg\0"
    assert {s["__key__"]: s["png"] for s in samples if "png" in s} == {IDS[4]: PNG + b"\4"}
    description = json.loads(first["json"])
    assert description == {
        "image_id": IDS[0],
        "class_id": "a",
        "name": "Ant",
        "taxon_id": "f" * 16,
        "texts": {"com": "a photo of Ant.", "caption": "An ant."},
        "licence": "CC BY 4.0",
    }
    taxa = {d["class_id"]: d.get("taxon_id") for d in (json.loads(s["json"]) for s in samples)}
    assert taxa == {"a": "f" * 16, "b": None}


def test_same_inputs_same_bytes(tmp_path, split):
    for name in ("one", "two"):
        export_tar(split, 0, tmp_path / name)
    assert sha256_file(tmp_path / "one") == sha256_file(tmp_path / "two")


def test_numbers_that_the_source_measured_travel_with_the_sample(tmp_path, split):
    export_tar(split, 0, tmp_path / "0.tar")
    with tarfile.open(tmp_path / "0.tar") as tar:
        descriptions = {i: json.load(tar.extractfile(f"{i}.json")) for i in IDS[:7]}
    assert descriptions[IDS[2]]["attributes"] == {"time_s": 12.5}
    assert "attributes" not in descriptions[IDS[1]]
