"""The tree of life from its source to BioCLIP's tables."""

import polars as pl
import pytest

from nicheclip.data.labels import Labels
from nicheclip.data.sample_texts import SampleTexts
from nicheclip.evaluation.frame import read_cells
from nicheclip.evaluation.predictions import read_group_predictions
from nicheclip.runtime.files import read_json
from workflow_run import ROOT, planned_jobs, snakemake

CONFIG = ROOT / "tests/configs/arbor.yaml"
JUDGED = "results/evaluate/arbor/test"
START = f"{JUDGED}/start/tiny"
RELIABILITY = "results/figures/calibration/trust/arbor/arbor-tiny-seed0.svg"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with everything that BioCLIP's tables need, and figures of models; read only."""
    folder = tmp_path_factory.mktemp("arbor")
    snakemake(folder, "--cores", 2, "bioclip", RELIABILITY, config=CONFIG)
    return folder


def test_a_tree_of_life_becomes_images_with_taxonomic_texts(finished):
    catalog = pl.read_parquet(finished / "results/acquire/arbor/catalog.parquet")
    seen = set(catalog.filter(split="train")["class_id"])
    unseen = set(catalog["class_id"]) - seen
    assert unseen and set(catalog.filter(pl.col("class_id").is_in(unseen))["split"]) == {"test"}
    taxa = pl.read_parquet(finished / "results/taxonomy/arbor/taxa.parquet")
    texts = pl.read_parquet(finished / "results/taxonomy/arbor/texts.parquet")
    assert set(texts["taxon_id"]) == set(taxa["taxon_id"]) and set(taxa["rank"]) == {"species"}
    assert taxa.height == catalog["class_id"].n_unique()
    labels = Labels(finished / "results/acquire/arbor/train")
    class_texts = finished / "results/taxonomy/arbor/class_texts.arrow"
    class_id = labels.class_id(0)
    row = taxa.filter(taxon_id=texts.filter(class_id=class_id)["taxon_id"][0])
    ranks = ["kingdom", "phylum", "class", "order", "family", "genus", "species"]
    lineage = " ".join(row[rank][0] for rank in ranks)
    assert SampleTexts(labels, class_texts, None).text(0, "taxon") == f"a photo of {lineage}."


def cells(folder, subject, evaluation, protocol):
    """The measures of one cell."""
    path = folder / subject / "seed0" / evaluation / protocol / "metrics.json"
    return read_cells([path])


def test_an_untrained_model_is_judged_on_seen_and_unseen_species(finished):
    text_types = cells(finished, START, "arbor", "text_types")
    top1 = text_types.filter(measure="top1", text_type="taxon_com")
    groups = {row["group"]: row for row in top1.iter_rows(named=True)}
    seen, unseen = groups["seen"], groups["unseen"]
    assert seen["classes"] + unseen["classes"] == groups["all"]["classes"] == seen["cell_classes"]
    assert seen["n"] + unseen["n"] == groups["all"]["n"]
    ranks = text_types.filter(measure="rank_accuracy", group="unseen")["rank"]
    assert set(ranks) >= {"kingdom", "genus", "species"}
    path = finished / START / "seed0/arbor/text_types/predictions.parquet"
    assert {text_type for text_type, _ in read_group_predictions(path)} == {"com", "taxon_com"}
    for protocol in ("zero_shot", "few_shot"):
        judged = cells(finished, START, "unseen", protocol).row(0, named=True)
        assert (judged["cell_n"], judged["cell_classes"]) == (unseen["n"], unseen["classes"])
        metrics = read_json(finished / START / "seed0/unseen" / protocol / "metrics.json")
        assert metrics["counts"]["images_of_other_classes"] == seen["n"]


def test_open_set_calibration_and_ranks_are_judged_from_the_same_features(finished):
    trained = f"{JUDGED}/trained/arbor-tiny"
    text_types = cells(finished, trained, "arbor", "text_types").filter(text_type="taxon_com")
    among_all = text_types.filter(measure="top1", group="all")["value"].item()
    for group in ("seen", "unseen"):
        found = cells(finished, trained, "trust", "open_set").filter(measure="top1", group=group)
        alone = text_types.filter(measure="top1", group=group)
        assert found["n"].item() == alone["n"].item()
        assert found["value"].item() <= alone["value"].item(), "more classes to choose from"
    calibration = cells(finished, trained, "trust", "calibration")
    assert calibration.filter(measure="top1")["value"].item() == among_all
    values = dict(calibration.filter(pl.col("bin").is_null()).select("measure", "value").rows())
    assert 0 < values["ece_scaled"] < 1 and values["temperature"] > 0
    metrics = read_json(finished / trained / "seed0/trust/calibration/metrics.json")
    catalog = pl.read_parquet(finished / "results/acquire/arbor/catalog.parquet")
    assert metrics["counts"]["validation_images"] == catalog.filter(split="val").height
    assert (finished / RELIABILITY).is_file()
    tree = cells(finished, trained, "trust", "hierarchical")
    summed = dict(
        tree.filter(measure="rank_accuracy_summed", n=metrics["n"]).select("rank", "value").rows()
    )
    assert summed["species"] == pytest.approx(among_all), "a species is a class"
    assert summed["kingdom"] >= summed["species"]


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
        cells(finished, f"{JUDGED}/trained/{run}", "arbor", "text_types")
        .filter(measure="top1", text_type=text_type, group="unseen")["value"]
        .item()
        for run, text_type in (("arbor-tiny", "taxon_com"), ("arbor-com", "com"))
    )
    assert effect["difference"].item() == pytest.approx(mixed - common, abs=1e-6)
    assert effect["verdict"].item() == "too few classes (one seed)"
    assert (finished / "results/figures/bioclip_tree.svg").is_file()
    assert (finished / "results/figures/bioclip_distances.json").is_file()


def test_bioclips_tables_are_in_the_report_and_made_once(finished):
    plan = planned_jobs(finished, "report", config=CONFIG)
    assert plan["write_report"] == 1
    assert not plan.keys() & {"train_model", "encode", "judge", "make_table", "make_figure"}


def test_the_full_study_is_six_runs_of_three_seeds(tmp_path):
    plan = planned_jobs(tmp_path, "bioclip", config=ROOT / "workflow/config/arbor.yaml")
    assert plan["train_model"] == 18
    assert plan["create_model"] == 3, "the start models of three seeds serve all runs"
    assert plan["judge"] == 6 + 1, "a job for all seeds of each run, and of the start model"
