"""The chain on photographs that nobody here made: set NICHECLIP_REAL_DATA to their folder."""

import csv
import json
import os
from pathlib import Path

import polars as pl
import pytest

from nicheclip.evaluation.frame import read_cells
from nicheclip.models.classifier import read_classifier
from nicheclip.runtime.files import read_json
from own_config import own_config, unlabelled_config
from workflow_run import ROOT, snakemake

REAL_DATA = os.environ.get("NICHECLIP_REAL_DATA")

COLUMNS = [
    "path",
    "label",
    "kingdom",
    "genus",
    "species",
    "common",
    "licence",
    "rights_holder",
    "url",
]

pytestmark = pytest.mark.skipif(
    not REAL_DATA, reason="NICHECLIP_REAL_DATA does not name the folder of real photographs"
)


def make_mushroom_tables(folder):
    """The species' metadata as a table of images and a file of descriptions."""
    species = sorted(Path(REAL_DATA, "mushroom-observer-cdn/species").glob("*/metadata.json"))
    with (
        (folder / "mushrooms.csv").open("w", newline="") as table,
        (folder / "mushrooms.jsonl").open("w") as descriptions,
    ):
        writer = csv.writer(table)
        writer.writerow(COLUMNS)
        for file in species:
            entry = read_json(file)
            name = entry["scientific_name"]
            json.dump({"class_id": name, "text": entry["description"]}, descriptions)
            descriptions.write("\n")
            for image in entry["images"]:
                path = f"species/{file.parent.name}/image_{image['index']}.webp"
                ranks = ["Fungi", name.split()[0], name]
                rights = [image["license_url"], image["photographer"], image["source_url"]]
                writer.writerow([path, name, *ranks, entry["common_name"], *rights])


FOLDERS = (
    "fish7/data",
    "rice-insects/Rice-Crop-Insects-Dataset-Without-Annotation",
    "mushroom-observer-cdn/species",
)


@pytest.mark.parametrize("folder", FOLDERS)
def test_class_folders_run_by_two_lines_of_the_example_config(tmp_path, folder):
    (tmp_path / "my.yaml").write_text(own_config("mine", Path(REAL_DATA, folder)))
    snakemake(tmp_path, "--cores", 2, config=tmp_path / "my.yaml")
    print((tmp_path / "results/tables/evaluation/mine.md").read_text())
    assert "What to do next" in (tmp_path / "results/report.html").read_text()


@pytest.mark.parametrize("folder", FOLDERS)
def test_photographs_without_labels_are_answered_for(tmp_path, folder):
    """Two lines of the example config changed, and FAIR's fifteen epochs cut to one."""
    images = Path(REAL_DATA, folder)
    names = sorted(one.name.replace("_", " ") for one in images.iterdir() if one.is_dir())
    (tmp_path / "classes.txt").write_text("\n".join(names))
    text = unlabelled_config(images, tmp_path / "classes.txt")
    assert text.count("{kind: fair}") == 1
    (tmp_path / "my.yaml").write_text(text.replace("{kind: fair}", "{kind: fair, epochs: 1}"))
    snakemake(tmp_path, "--cores", 2, config=tmp_path / "my.yaml")
    model = tmp_path / "results/models/adapted/fair/photos/seed0"
    classifier = read_classifier(model / "classifier.safetensors")
    assert sorted(classifier.class_names) == names
    answers = pl.read_csv(tmp_path / "results/answers/photos/fair/seed0/predictions.csv")
    assert answers["file"].is_unique().all() and set(answers["predicted"]) <= set(names)
    assert all((images / file).is_file() for file in answers["file"])
    page = (tmp_path / "results/answers/photos/fair.html").read_text()
    assert f"{len(answers)} images without labels, {len(names)} classes" in page
    assert "Look at these first" in page and page.count("<img") >= 24


def test_fish_run_from_class_folders_to_metrics(tmp_path):
    snakemake(tmp_path, "--cores", 2, config=ROOT / "tests/configs/fish7.yaml")
    manifest = read_json(tmp_path / "results/acquire/fish7/manifest.json")
    assert manifest["counts"]["images"] == 252 and manifest["dropped"] == []
    folder = tmp_path / "results/evaluate/fish7/test/trained/fish7-small/seed0/fish7"
    zero_shot = read_cells([folder / "zero_shot/metrics.json"]).filter(measure="top1")
    found = zero_shot.row(0, named=True)
    assert found["classes"] == 7 and 40 <= found["n"] <= 90
    assert found["value"] > found["chance"]
    print((tmp_path / "results/tables/evaluation/fish7.md").read_text())


def test_mushrooms_run_from_a_table_with_licences_to_metrics(tmp_path):
    make_mushroom_tables(tmp_path)
    snakemake(tmp_path, "--cores", 2, config=ROOT / "tests/configs/mushrooms.yaml")
    acquired = tmp_path / "results/acquire/mushrooms"
    catalog = pl.read_parquet(acquired / "catalog.parquet")
    assert catalog["licence"].str.contains("creativecommons.org").all()
    assert (catalog["rights_holder"].str.len_chars() > 0).all()
    assert catalog["url"].str.starts_with("https://").all()
    assert catalog["class_id"].n_unique() >= 150
    texts = pl.read_parquet(tmp_path / "results/taxonomy/mushrooms/texts.parquet")
    prince = texts.filter(class_id="Agaricus augustus", text_type="sci_com")
    assert prince["name"].to_list() == ["Agaricus augustus with common name The Prince"]
    metrics = tmp_path / "results/evaluate/mushrooms/test/trained/mushrooms-small/seed0"
    for protocol in ("zero_shot", "retrieval"):
        assert read_json(metrics / "mushrooms" / protocol / "metrics.json")["n"] > 0
    for name in ("mushrooms", "mushrooms-described"):
        print((tmp_path / f"results/tables/evaluation/{name}.md").read_text())
