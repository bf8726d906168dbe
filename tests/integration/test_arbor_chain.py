"""The tree of life from its source to BioCLIP's tables."""

import polars as pl
import pytest

from nicheclip.data.shard_reader import ShardSet
from nicheclip.evaluation.metrics import read_metrics
from nicheclip.evaluation.predictions import read_group_predictions
from workflow_run import ROOT, planned_jobs, snakemake

CONFIG = ROOT / "tests/configs/arbor.yaml"
START = "models/tiny/seed0"
ZERO_SHOT = f"results/evaluate/unseen/{START}/zero_shot/metrics.json"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with everything that BioCLIP's tables need, and one cell beside; read only."""
    folder = tmp_path_factory.mktemp("arbor")
    snakemake(folder, "--cores", 2, "bioclip", ZERO_SHOT, config=CONFIG)
    return folder


def test_a_tree_of_life_becomes_shards_with_taxonomic_texts(finished):
    catalog = pl.read_parquet(finished / "results/acquire/arbor/catalog.parquet")
    seen = set(catalog.filter(split="train")["class_id"])
    unseen = set(catalog["class_id"]) - seen
    assert unseen and set(catalog.filter(pl.col("class_id").is_in(unseen))["split"]) == {"test"}
    taxa = pl.read_parquet(finished / "results/taxonomy/arbor/taxa.parquet")
    texts = pl.read_parquet(finished / "results/taxonomy/arbor/texts.parquet")
    assert set(texts["taxon_id"]) == set(taxa["taxon_id"]) and set(taxa["rank"]) == {"species"}
    assert taxa.height == catalog["class_id"].n_unique()
    sample = ShardSet(finished / "results/shards/arbor/train").read(0)
    row = taxa.filter(taxon_id=texts.filter(class_id=sample.class_id)["taxon_id"][0])
    ranks = ["kingdom", "phylum", "class", "order", "family", "genus", "species"]
    lineage = " ".join(row[rank][0] for rank in ranks)
    assert sample.texts["taxon"] == f"a photo of {lineage}."


def test_an_untrained_model_is_judged_on_seen_and_unseen_species(finished):
    text_types = f"results/evaluate/arbor/{START}/text_types/metrics.json"
    few_shot = f"results/evaluate/unseen/{START}/few_shot/metrics.json"
    cells = {"text_types": text_types, "zero_shot": ZERO_SHOT, "few_shot": few_shot}
    metrics = {protocol: read_metrics(finished / path) for protocol, path in cells.items()}
    groups = {entry.group: entry for entry in metrics["text_types"].groups}
    seen, unseen = groups["seen"], groups["unseen"]
    assert seen.classes + unseen.classes == groups["all"].classes == metrics["text_types"].classes
    assert seen.top1.n + unseen.top1.n == groups["all"].top1.n
    assert {rank.rank for rank in unseen.hierarchical} >= {"kingdom", "genus", "species"}
    path = finished / cells["text_types"]
    predictions = read_group_predictions(path.with_name("predictions.parquet"))
    assert {text_type for text_type, _ in predictions} == {"com", "taxon_com"}
    for protocol in ("zero_shot", "few_shot"):
        judged = metrics[protocol]
        assert (judged.n, judged.classes) == (unseen.top1.n, unseen.classes)
        assert judged.counts["images_of_other_classes"] == seen.top1.n


def test_the_tables_are_of_all_runs_on_seen_and_unseen_species(finished):
    def read(name):
        table = pl.read_csv(finished / f"results/tables/bioclip_{name}.csv")
        assert set(table["scale"]) == {"demo"}
        return table

    text_types = read("text_types")
    assert set(text_types["species"]) >= {"seen", "unseen"}
    assert text_types["top1"].null_count() == text_types["before_training"].null_count() == 0
    assert read("ablation")["trained_on"].to_list() == ["common", "all of them, mixed"]
    few_shot = read("few_shot").filter(dataset="arbor")
    assert few_shot["shots"].to_list() == ["zero-shot", "1-shot"]
    assert set(read("ranks")["rank"]) >= {"kingdom", "genus", "species"}
    effect = read("taxonomy_effect").filter(species="unseen")
    mixed, common = (
        text_types_of_run(finished, run).group(text_type, "unseen").top1.value
        for run, text_type in (("arbor-tiny", "taxon_com"), ("arbor-com", "com"))
    )
    assert effect["difference"].item() == pytest.approx(mixed - common, abs=1e-6)
    assert effect["verdict"].item() == "too few classes (one seed)"
    assert (finished / "results/figures/bioclip_tree.svg").is_file()
    assert (finished / "results/figures/bioclip_distances.json").is_file()


def text_types_of_run(folder, run):
    return read_metrics(
        folder / f"results/evaluate/arbor/train/{run}/seed0/text_types/metrics.json"
    )


def test_bioclips_tables_are_in_the_report_and_made_once(finished):
    plan = planned_jobs(finished, "report", config=CONFIG)
    assert plan["write_report"] == 1
    assert not plan.keys() & {"train_model", "evaluate_text_types", "bioclip_text_types"}


def test_the_full_study_is_six_runs_of_three_seeds(tmp_path):
    plan = planned_jobs(tmp_path, "bioclip", config=ROOT / "workflow/config/arbor.yaml")
    assert plan["train_model"] == 18
    assert plan["evaluate_text_types"] == 18 + 3, "the start models of three seeds serve all runs"
