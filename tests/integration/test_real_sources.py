"""Real sets by their own layouts, kept apart from BioCLIP's list of rare species, in one run.

Set NICHECLIP_REAL_DATA to their folder. Nothing is trained.
"""

import csv
import io
import json
import os
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import webdataset as wds
import yaml
from PIL import Image

from nicheclip.runtime.files import read_json
from workflow_run import snakemake

REAL_DATA = os.environ.get("NICHECLIP_REAL_DATA")

pytestmark = pytest.mark.skipif(
    not REAL_DATA, reason="NICHECLIP_REAL_DATA does not name the folder of real photographs"
)

RANKS = ["kingdom", "phylum", "class", "order", "family", "genus", "species"]
#: of the list, with its author: planted among the mushrooms
PLANTED = ["Animalia", "Mollusca", "Bivalvia", "Unionida", "Unionidae", "Cyclonaias"]
PLANTED += ["Cyclonaias tuberculata (Rafinesque, 1820)"]


def write_table(file, header, rows):
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        writer.writerows(rows)


def rare_species(folder):
    """A drawn image for each species of the list, which has no images at hand."""
    table = pl.read_csv(f"{REAL_DATA}/x-bioclip/data/annotation/rare_species/metadata.csv")
    species = table.rename({"class": "name", "cls": "class"}).unique("name", maintain_order=True)
    rng = np.random.default_rng(0)
    rows = []
    for number, row in enumerate(species.iter_rows(named=True)):
        Image.fromarray(rng.integers(0, 255, (32, 32, 3), np.uint8)).save(folder / f"{number}.png")
        rows.append([f"{number}.png", row["name"], "test", *(row[rank] for rank in RANKS)])
    write_table(folder / "rare.csv", ["path", "label", "split", *RANKS], rows)
    return {"source": {"kind": "table", "path": str(folder / "rare.csv")}}


def mushrooms(folder):
    """A row for each photograph, and a fish under the name of a rare mussel."""
    rows = []
    for file in sorted(Path(REAL_DATA, "mushroom-observer-cdn/species").glob("*/metadata.json")):
        entry = read_json(file)
        name = entry["scientific_name"]
        for image in entry["images"]:
            path = file.parent.relative_to(REAL_DATA) / f"image_{image['index']}.webp"
            ranks = ["Fungi", "", "", "", "", name.split()[0], name]
            rows.append([path, name, image["license_url"], image["photographer"], *ranks])
    fish = next(Path(REAL_DATA, "fish7/data/nase").iterdir()).relative_to(REAL_DATA)
    rows.append([fish, "wartyback", "CC0", "nobody", *PLANTED])
    header = ["path", "label", "licence", "rights_holder", *RANKS]
    write_table(folder / "mushrooms.csv", header, rows)
    source = {"kind": "table", "path": str(folder / "mushrooms.csv"), "images": REAL_DATA}
    return {"source": source}, len(rows)


def grocery_store(folder):
    """Packed as its repository is, read by its own lists of files."""
    root = Path(REAL_DATA, "grocery-store")
    with tarfile.open(folder / "grocery.tar", "w") as tar:
        tar.add(root / "dataset", "dataset")
    with (root / "dataset/classes.csv").open() as stream:
        names = {row["Class ID (int)"]: row["Class Name (str)"] for row in csv.DictReader(stream)}
    reader = {
        "kind": "member_lists",
        "lists": {split: f"dataset/{split}.txt" for split in ("train", "test")},
        "line": r"(?P<key>[^,]+), (?P<label>\d+), \d+",
        "member": "dataset/{key}",
    }
    source = {"kind": "archive", "urls": [(folder / "grocery.tar").as_uri()], "reader": reader}
    return {"source": source, "names": names, "split": {"method": "given", "val_from_train": 0.1}}


def class_folders(folder):
    return {"source": {"kind": "folder", "path": str(Path(REAL_DATA, folder))}}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of one run over all sets, and how many mushrooms there are."""
    folder = tmp_path_factory.mktemp("real")
    table, photographs = mushrooms(folder)
    sets = {
        "mushrooms": table,
        "grocery": grocery_store(folder),
        "insects": class_folders("rice-insects/Rice-Crop-Insects-Dataset-Without-Annotation"),
        "fish": class_folders("fish7/data"),
    }
    leakage = {"apart_from": ["rare"], "by": ["bytes", "versions", "species"], "action": "remove"}
    datasets = {name: one | {"leakage": leakage, "shards": 2} for name, one in sets.items()}
    datasets["rare"] = rare_species(folder) | {"split": {"method": "given"}}
    (folder / "real.yaml").write_text(yaml.safe_dump({"datasets": datasets}))
    snakemake(folder, "--cores", 2, "shards", config=folder / "real.yaml")
    return folder, photographs


def catalog(folder, name):
    return pl.read_parquet(folder / f"results/acquire/{name}/catalog.parquet")


def dropped(folder, name):
    manifest = read_json(folder / f"results/acquire/{name}/manifest.json")
    return {one["key"]: one["reason"] for one in manifest["dropped"]}


def test_of_real_photographs_the_planted_rare_species_alone_is_left_out(run):
    folder, photographs = run
    assert catalog(folder, "rare")["class_id"].n_unique() == 400
    found, left_out = catalog(folder, "mushrooms"), dropped(folder, "mushrooms")
    assert len(found) + len(left_out) == photographs
    assert "wartyback" not in found["class_id"].to_list()
    assert {key for key, reason in left_out.items() if "rare" in reason} == {
        one for one in left_out if one.startswith("fish7/data/nase/")
    }
    assert Counter(left_out.values()) == {
        "a species of rare": 1,
        "duplicate of another image": 5,
        "no such file": 3,
    }
    assert len(catalog(folder, "fish")) == 252
    assert len(catalog(folder, "insects")) == 173  # seven stand under two names
    for name in ("fish", "insects", "grocery"):
        assert not [one for one in dropped(folder, name).values() if "rare" in one]


def test_the_groceries_are_split_by_their_own_lists(run):
    folder, _ = run
    root = Path(REAL_DATA, "grocery-store/dataset")
    there = {
        split: {
            line.split(", ")[0]
            for line in (root / f"{split}.txt").read_text().splitlines()
            if (root / line.split(", ")[0]).is_file()
        }
        for split in ("train", "test")
    }
    found = catalog(folder, "grocery").with_columns(
        pl.col("key").str.strip_prefix("grocery.tar/dataset/")
    )
    by_split = {split: set(rows["key"]) for (split,), rows in found.group_by("split")}
    repeated = {
        key.removeprefix("grocery.tar/dataset/")
        for key, reason in dropped(folder, "grocery").items()
        if "not in the archive" not in reason
    }
    assert by_split["test"] == there["test"] - repeated
    assert by_split["train"] | by_split["val"] == there["train"] - repeated
    assert len(by_split["val"]) >= 10 and found["class_id"].n_unique() == 81
    classes = pl.read_parquet(folder / "results/acquire/grocery/classes.parquet")
    assert "Golden-Delicious" in classes["name"].to_list()


@pytest.mark.parametrize("name", ["mushrooms", "grocery", "insects", "fish"])
def test_shards_hold_each_photograph_once_with_its_rights(run, name):
    folder, _ = run
    samples = []
    for tar in sorted((folder / f"results/shards/{name}").rglob("*.tar")):
        for sample in wds.WebDataset(str(tar), shardshuffle=False, empty_check=False):
            data = sample.get("jpg") or sample["png"]
            with Image.open(io.BytesIO(data)) as image:
                assert image.mode == "RGB"
            samples.append((sample["__key__"], json.loads(sample["json"])))
    found = catalog(folder, name)
    assert sorted(key for key, _ in samples) == sorted(found["image_id"])
    if name == "mushrooms":
        assert all("creativecommons.org" in said["licence"] for _, said in samples)
