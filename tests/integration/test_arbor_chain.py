"""The tree of life through acquire, taxonomy and shards."""

import polars as pl

from nicheclip.data.shard_reader import ShardSet
from nicheclip.evaluation.metrics import read_metrics
from nicheclip.evaluation.predictions import read_group_predictions
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


def test_an_untrained_model_is_judged_on_seen_and_unseen_species(tmp_path):
    model = "models/tiny/seed0"
    cells = {
        protocol: f"results/evaluate/{evaluation}/{model}/{protocol}/metrics.json"
        for evaluation, protocol in (
            ("arbor", "text_types"),
            ("unseen", "zero_shot"),
            ("unseen", "few_shot"),
        )
    }
    config = ROOT / "tests/configs/arbor.yaml"
    snakemake(tmp_path, "--cores", 2, *cells.values(), config=config)
    metrics = {protocol: read_metrics(tmp_path / path) for protocol, path in cells.items()}
    groups = {entry.group: entry for entry in metrics["text_types"].groups}
    seen, unseen = groups["seen"], groups["unseen"]
    assert seen.classes + unseen.classes == groups["all"].classes == metrics["text_types"].classes
    assert seen.top1.n + unseen.top1.n == groups["all"].top1.n
    assert {rank.rank for rank in unseen.hierarchical} >= {"kingdom", "genus", "species"}
    path = tmp_path / cells["text_types"]
    predictions = read_group_predictions(path.with_name("predictions.parquet"))
    assert {text_type for text_type, _ in predictions} == {"sci", "taxon_com"}
    for protocol in ("zero_shot", "few_shot"):
        judged = metrics[protocol]
        assert (judged.n, judged.classes) == (unseen.top1.n, unseen.classes)
        assert judged.counts["images_of_other_classes"] == seen.top1.n
