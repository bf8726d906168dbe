"""Checklists from their files to the shards, through the workflow."""

import csv
import json
import os
import tarfile
from contextlib import contextmanager

import polars as pl
import pytest
import yaml

from nicheclip.taxonomy.ids import taxon_id
from nicheclip.terms import RANKS
from small_training import jpeg
from workflow_run import planned_jobs, snakemake

#: two plants and an animal; Laelia rosea stands in two kingdoms
LINEAGES = """\
kingdom,phylum,class,order,family,genus,species
Animalia,Arthropoda,Insecta,Lepidoptera,Erebidae,Laelia,Laelia rosea
Plantae,Tracheophyta,Liliopsida,Asparagales,Orchidaceae,Laelia,Laelia rosea
Plantae,Tracheophyta,Magnoliopsida,Rosales,Rosaceae,Rosa,Rosa gallica
"""

#: in the Catalogue of Life's form, with a synonym
USAGES = """\
ID\tparentID\tstatus\trank\tscientificName
1\t\taccepted\tkingdom\tAnimalia
2\t1\taccepted\tfamily\tHominidae
3\t2\taccepted\tgenus\tHomo
4\t3\taccepted\tspecies\tHomo erectus
5\t4\tsynonym\tspecies\tPithecanthropus erectus
"""
COMMON = "taxonID\tname\tlanguage\n4\tupright man\teng\n"

#: what each class is given
CLASSES = {
    "fossil": {"genus": "Pithecanthropus", "species": "P. erectus (Dubois, 1893)"},
    "man": {"kingdom": "Metazoa", "genus": "Homo", "species": "Homo erectus"},
    "orchid": {"kingdom": "Plantae", "species": "Laelia rosea"},
    "nobody": {"genus": "Nemo", "species": "nullus"},
    "spores": {},
}

MAN = {"kingdom": "Animalia", "family": "Hominidae", "genus": "Homo", "species": "erectus"}
ORCHID = dict(zip(RANKS, LINEAGES.splitlines()[2].split(","), strict=True)) | {"species": "rosea"}
NOBODY = {"genus": "Nemo", "species": "nullus"}


#: what models are judged by: a species of the zoo under a synonym
JUDGED = "path,label,split,genus,species\nbone.jpg,ape-man,test,Pithecanthropus,erectus Dubois\n"
JUDGED += "rose.jpg,rose,test,Rosa,gallica\n"


def write_inputs(folder):
    with (folder / "images.csv").open("w", newline="") as stream:
        columns = ["path", "label", "split", *RANKS]
        table = csv.DictWriter(stream, columns, restval="")
        table.writeheader()
        for number, (label, ranks) in enumerate(CLASSES.items()):
            for split in ("train", "test"):
                path = f"{label}-{split}.jpg"
                (folder / path).write_bytes(jpeg((200, 40 * number, 90), len(split) + 9 * number))
                table.writerow({"path": path, "label": label, "split": split} | ranks)
    (folder / "museum").mkdir()
    (folder / "museum/images.csv").write_text(JUDGED)
    for number, name in enumerate(("bone", "rose")):
        (folder / f"museum/{name}.jpg").write_bytes(jpeg((30, 90 * number, 220), 33 + number))
    (folder / "lineages.csv").write_text(LINEAGES)
    (folder / "col").mkdir()
    (folder / "col/NameUsage.tsv").write_text(USAGES)
    (folder / "col/VernacularName.tsv").write_text(COMMON)
    source = {"kind": "table", "path": "images.csv"}
    config = {
        "datasets": {"zoo": {"source": source, "split": {"method": "given"}, "shards": 1}},
        "taxonomy": {
            "providers": [
                {"name": "col", "kind": "coldp", "path": "col"},
                {"name": "mine", "kind": "csv", "path": "lineages.csv"},
            ]
        },
    }
    (folder / "zoo.yaml").write_text(yaml.safe_dump(config))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder in which the data set has been sharded; each test restores what it changes."""
    folder = tmp_path_factory.mktemp("checklists")
    write_inputs(folder)
    snakemake(folder, "--cores", 2, "shards", config=folder / "zoo.yaml")
    return folder


def test_names_are_resolved_on_the_way_to_the_shards(finished):
    taxonomy = finished / "results/taxonomy/zoo"
    resolutions = pl.read_parquet(taxonomy / "resolutions.parquet")
    ways = dict(resolutions.select("given_species", "resolution").iter_rows())
    assert ways == {
        "P. erectus (Dubois, 1893)": "synonym",
        "Homo erectus": "exact",
        "Laelia rosea": "homonym-by-context",
        "nullus": "unresolved",
        "": "unresolved",
    }
    taxa = pl.read_parquet(taxonomy / "taxa.parquet")
    ids = {label: taxon_id(ranks) for label, ranks in
           {"fossil": MAN, "man": MAN, "orchid": ORCHID, "nobody": NOBODY}.items()}  # fmt: skip
    assert sorted(taxa["taxon_id"]) == sorted(set(ids.values()))
    texts = pl.read_parquet(taxonomy / "texts.parquet")
    assert dict(texts.select("class_id", "taxon_id").iter_rows()) == ids | {"spores": None}
    names = {(row["class_id"], row["text_type"]): row["name"] for row in texts.to_dicts()}
    assert names["orchid", "taxon"] == " ".join(ORCHID.values())
    assert names["nobody", "taxon_com"] == "Nemo nullus"
    assert names["man", "sci_com"] == "Homo erectus with common name upright man"
    assert names["fossil", "sci_com"] == names["man", "sci_com"]
    assert names["spores", "taxon"] == "spores"


def test_the_shards_name_the_taxa_of_the_table(finished):
    texts = pl.read_parquet(finished / "results/taxonomy/zoo/texts.parquet")
    taxa = dict(texts.select("class_id", "taxon_id").iter_rows())
    of_class = {key: dict(rows.select("text_type", "text").iter_rows())
                for (key,), rows in texts.group_by("class_id")}  # fmt: skip
    samples = []
    for path in sorted((finished / "results/shards/zoo").glob("*/*.tar")):
        with tarfile.open(path) as tar:
            samples += [json.load(tar.extractfile(m)) for m in tar if m.name.endswith("json")]
    assert len(samples) == 2 * len(CLASSES)
    for sample in samples:
        assert sample.get("taxon_id") == taxa[sample["class_id"]]
        assert sample["texts"] == of_class[sample["class_id"]]


@contextmanager
def restored(path):
    """A file that may be changed: text and time are as before at the end."""
    text, status = path.read_bytes(), path.stat()
    yield path
    path.write_bytes(text)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def plan(folder):
    return planned_jobs(folder, "shards", config=folder / "zoo.yaml")


@pytest.mark.parametrize("path", ["lineages.csv", "col/VernacularName.tsv"])
def test_a_changed_checklist_resolves_again_but_acquires_nothing(finished, path):
    with restored(finished / path) as file:
        assert plan(finished) == {}
        with file.open("a") as stream:
            stream.write(file.read_text().splitlines()[-1] + "\n")
        changed = plan(finished)
    assert changed["read_checklists"] == changed["flatten_taxonomy"] == changed["write_shard"] == 1
    assert "acquire_part" not in changed


def test_species_of_a_judged_data_set_are_left_out_under_any_of_their_names(finished):
    config = yaml.safe_load((finished / "zoo.yaml").read_text())
    given = {"split": {"method": "given"}}
    config["datasets"] = {
        "museum": {"source": {"kind": "table", "path": "museum/images.csv"}, **given},
        "trains": {
            "source": {"kind": "table", "path": "images.csv"},
            "leakage": {"apart_from": ["museum"], "by": ["species"], "action": "remove"},
            **given,
        },
    }
    changed = finished / "apart.yaml"
    changed.write_text(yaml.safe_dump(config))
    target = "results/acquire/trains/manifest.json"
    snakemake(finished, "--cores", 2, "--", target, config=changed)
    manifest = json.loads((finished / target).read_text())
    assert manifest["dropped_counts"] == {"a species of museum": 4}
    classes = pl.read_parquet(finished / "results/acquire/trains/classes.parquet")["class_id"]
    assert sorted(classes) == ["nobody", "orchid", "spores"]
