"""The card of a trained model: what it counts and says, and that it repeats."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from huggingface_hub import ModelCard

from nicheclip.config.fetched_sources import RegistrySource
from nicheclip.config.sources import FolderSource
from nicheclip.data.attribution import Attribution
from nicheclip.engine.records import RunReport
from nicheclip.runtime.errors import InputError
from nicheclip.schemas import CATALOG
from nicheclip.training.card import model_card
from nicheclip.training.run import TrainingRun, train
from small_training import start_model, texts_of, training_config, write_squares

ENTRY = {
    "name": "leaves",
    "title": "Leaves of the World",
    "source": {"kind": "hub", "repository": "a/b", "files": {"all": "*.parquet"},
               "image_column": "image", "label_column": "label"},
    "size_bytes": None, "licence": "CC BY 4.0", "citation": "Somebody, 2020",
    "homepage": "https://example.org", "classes": 2, "images": {"all": 3}, "notes": "None.",
}  # fmt: skip


def write_catalog(path, rows):
    """(split, class, licence, holder) of each image."""
    names = ("split", "class_id", "licence", "rights_holder")
    table = [dict(zip(names, row, strict=True)) for row in rows]
    pq.write_table(pa.Table.from_pylist(table, schema=CATALOG), path)
    return path


def attribution(tmp_path, rows, source=None):
    catalog = write_catalog(tmp_path / "catalog.parquet", rows)
    source = source or FolderSource(kind="folder", path=str(tmp_path))
    return Attribution.read(catalog, dataset="leaves", source=source, registry=tmp_path)


ROWS = [
    ("train", "a", "CC BY 4.0", "Ada"),
    ("train", "a", "CC BY 4.0", "Ben | Co"),
    ("train", "b", None, "Ada"),
    ("train", "b", "CC0", None),
    ("test", "c", "secret", "Nobody"),
]


def test_the_images_of_the_split_are_counted(tmp_path):
    found = attribution(tmp_path, ROWS)
    assert (found.images, found.classes, found.source) == (4, 2, "folder")
    assert list(found.licences.items()) == [("CC BY 4.0", 2), ("", 1), ("CC0", 1)]
    assert list(found.holders.items()) == [("Ada", 2), ("Ben | Co", 1)]
    assert (found.more_holders, found.unattributed) == (0, 1)


def test_many_holders_are_counted_and_ten_are_named(tmp_path):
    found = attribution(tmp_path, [("train", "a", None, f"holder {i:02d}") for i in range(25)])
    assert len(found.holders) == 10 and found.more_holders == 15
    assert next(iter(found.holders)) == "holder 00"


def test_a_data_set_of_the_registry_has_its_licence(tmp_path):
    (tmp_path / "leaves.yaml").write_text(yaml.safe_dump(ENTRY))
    found = attribution(tmp_path, ROWS, RegistrySource(kind="registry", name="leaves"))
    assert (found.source, found.licence) == ("Leaves of the World", "CC BY 4.0")
    with pytest.raises(InputError, match="no data set 'other'"):
        attribution(tmp_path, ROWS, RegistrySource(kind="registry", name="other"))


def report(**changes):
    facts = {
        "config": {}, "compute": {}, "seed": 0, "fingerprint": "f", "code": [], "epochs": 3,
        "steps": 12, "samples_seen": 78, "facts": {}, "final": {"loss": 1.25, "val_accuracy": 0.5},
        "kept_epoch": 2, "trainable": 10, "parameters": 20, "resumed_at_steps": [],
        "seconds": 1.5, "seconds_per_iteration": 0.1, "images_per_second": 52.0, "device": "cpu",
        "processes": 1, "threads": 1, "precision": "32-true", "peak_memory_bytes": 1,
        "packages": {}, "python": "3.11",
    }  # fmt: skip
    return RunReport.model_validate(facts | changes)


def card(tmp_path, found=None, **changes):
    config = training_config(**changes)
    return model_card(config, attribution(tmp_path, ROWS), found or report(), name="run/seed0")


def test_the_hub_reads_it_and_a_person_finds_what_counts(tmp_path):
    text = str(card(tmp_path))
    read = ModelCard(text)
    assert read.data.library_name == "open_clip"
    assert read.data.pipeline_tag == "zero-shot-image-classification"
    for words in (
        "4 images of 2 classes", "| CC BY 4.0 | 2 |", "| none named | 1 |", "| Ben \\| Co | 1 |",
        "1 images name no rights holder", "| val_accuracy | 0.5 |", "kind: multi_positive",
        "The weights are those of epoch 2", "create_model_and_transforms",
    ):  # fmt: skip
        assert words in text, words
    assert "text tower is as it was" not in text


def test_a_classifier_says_that_it_has_no_zero_shot(tmp_path):
    found = card(tmp_path, recipe={"kind": "classification"}, keep="best")
    assert found.data.pipeline_tag == "image-feature-extraction"
    assert "zero-shot classification has no meaning" in str(found)
    assert "chosen by the validation accuracy" in str(found)


def test_its_bytes_do_not_follow_from_times_or_devices(tmp_path):
    slow = report(seconds=99.0, images_per_second=1.0, device="NVIDIA", resumed_at_steps=[4])
    assert str(card(tmp_path)) == str(card(tmp_path, slow))


def test_a_run_writes_it_beside_the_model(tmp_path):
    squares = write_squares(tmp_path / "squares", train=8, val=4)
    run = TrainingRun(
        config=training_config(epochs=1),
        start=start_model(tmp_path),
        seed=0,
        output=tmp_path / "squares-run/seed0",
        data=attribution(tmp_path, ROWS).model_dump(),
        **texts_of(squares),
    )
    train(run, images=squares, run_folder=tmp_path / "run")
    text = (tmp_path / "squares-run/seed0/README.md").read_text()
    assert "# squares-run/seed0" in text and "| val_accuracy |" in text
    assert (tmp_path / "run/finished/README.md").read_text() == text
