"""The tree of life through acquire, taxonomy and shards."""

import polars as pl

from nicheclip.data.shard_reader import ShardSet
from workflow_run import ROOT, snakemake


def test_a_tree_of_life_becomes_shards_with_taxonomic_texts(tmp_path):
    snakemake(tmp_path, "--cores", 2, "shards", config=ROOT / "tests/configs/arbor.yaml")
    catalog = pl.read_parquet(tmp_path / "results/acquire/arbor/catalog.parquet")
    seen = set(catalog.filter(split="train")["class_id"])
    unseen = set(catalog["class_id"]) - seen
    assert unseen and set(catalog.filter(pl.col("class_id").is_in(unseen))["split"]) == {"test"}
    taxa = pl.read_parquet(tmp_path / "results/taxonomy/arbor/taxa.parquet")
    assert set(catalog["taxon_id"]) == set(taxa["taxon_id"]) and set(taxa["rank"]) == {"species"}
    sample = ShardSet(tmp_path / "results/shards/arbor/train").read(0)
    row = taxa.filter(taxon_id=catalog.filter(image_id=sample.image_id)["taxon_id"][0])
    ranks = ["kingdom", "phylum", "class", "order", "family", "genus", "species"]
    lineage = " ".join(row[rank][0] for rank in ranks)
    assert sample.texts["taxon"] == f"a photo of {lineage}."
