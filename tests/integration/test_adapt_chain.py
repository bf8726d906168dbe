"""Adaptation without labels, from the config to FAIR's tables."""

import shutil

import polars as pl
import pytest

from nicheclip.data.image_set import ImageSet
from nicheclip.data.labels import Labels
from nicheclip.evaluation.measures import read_metrics
from nicheclip.models.classifier import read_classifier
from nicheclip.models.pseudo_labels import read_pseudo_labels
from nicheclip.models.signals import read_signals
from nicheclip.runtime.files import sha256_file
from workflow_run import ROOT, clone, planned_jobs, snakemake

CONFIG = ROOT / "tests/configs/adapt.yaml"
ADAPTED = "results/models/adapted"
CELLS = "results/evaluate/arbor/test/adapted"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A clone in which everything has been made, the labels deleted before the fits."""
    folder = clone(tmp_path_factory.mktemp("adapt") / "clone")
    tasks = [f"results/tasks/{task}/texts.json" for task in ("few", "few-test", "few-stream")]
    # self-supervision has a figure of neighbours that labels tell; adaptation gets the model alone
    backbone = "results/models/backbones/dino/seed0/backbone.json"
    snakemake(folder, "--cores", 2, *tasks, backbone, config=CONFIG, root=folder)
    labels = folder / "results/acquire/arbor/train/labels.arrow"
    kept = labels.with_suffix(".kept")
    labels.rename(kept)
    labels.mkdir()  # whoever reads it gets an error
    jobs = [f"{ADAPTED}/{job}/manifest.json" for job in ("fair", "upl", "_training-free-tiny")]
    only = ("--rerun-triggers", "mtime", "--allowed-rules", "create_model", "adapt_model")
    snakemake(folder, "--cores", 2, *jobs, *only, config=CONFIG, root=folder)
    labels.rmdir()
    kept.rename(labels)
    snakemake(folder, "--cores", 2, "fair", config=CONFIG, root=folder)
    return folder


def test_batches_are_judged_batch_by_batch(finished):
    batches = sorted((finished / "results/tasks/few-stream/batches").glob("*/fit"))
    assert len(batches) == 2  # six images of three classes, by threes
    assert sum(len(ImageSet(batch)) for batch in batches) == 6
    cell = finished / CELLS / "few-stream/free-transclip/seed0/few-stream/zero_shot"
    metrics = read_metrics(cell / "metrics.json")
    assert metrics.n == 6 and metrics.find("batch_top1").n == 2
    assert metrics.find("batch_top1").value == pytest.approx(metrics.find("top1").value)
    assert not (finished / ADAPTED / "free-clip/few-stream/seed0/classifier.safetensors").exists()
    table = pl.read_csv(finished / "results/tables/fair_batches.csv")
    assert table["method"].to_list() == ["CLIP", "TransCLIP-ZS", "Optimal transport"]


def results(folder):
    """Digests of scores, anchors and changed weights."""
    files = (folder / ADAPTED).rglob("*.safetensors")
    return {str(file.relative_to(folder)): sha256_file(file) for file in files}


def test_a_task_is_images_of_its_classes_without_labels(finished):
    folder = finished / "results/tasks/few"
    files = {path.name for path in folder.rglob("*") if path.is_file()}
    assert files - {".snakemake_timestamp"} == {"images.arrow", "texts.json"}
    fit, acquired = ImageSet(folder / "fit"), finished / "results/acquire/arbor/train"
    classes = read_classifier(finished / ADAPTED / "fair/few/seed0/classifier.safetensors")
    labels = Labels(acquired).class_ids
    expected = [
        image_id
        for image_id, label in zip(ImageSet(acquired).image_ids, labels, strict=True)
        if label in classes.class_ids
    ]
    assert fit.image_ids == expected and 0 < len(expected) < len(labels)
    assert [one.image_id for one in fit.read_many(range(len(fit)))] == expected


def test_every_method_is_judged_on_the_images_of_its_task(finished):
    judged = ImageSet(finished / "results/tasks/few/judge").image_ids
    for name, seeds in (
        ("free-clip", [0]),
        ("free-transclip", [0]),
        ("upl", [0]),
        ("fair", [0, 1]),
    ):
        for seed in seeds:
            cell = finished / CELLS / f"few/{name}/seed{seed}/few/zero_shot"
            metrics = read_metrics(cell / "metrics.json")
            assert (metrics.n, metrics.classes) == (len(judged), 3)
            assert str(metrics.subject) == f"adapted/{name}/few/seed{seed}"
            found = pl.read_parquet(cell / "predictions.parquet")
            assert found["image_id"].to_list() == sorted(judged)
            right = found["label"] == found["classes"].list.first()
            assert metrics.find("top1").value == pytest.approx(right.mean())


def test_the_tables_show_every_method_on_every_task(finished):
    table = pl.read_csv(finished / "results/tables/fair_1.csv")
    measured = table.drop_nulls("few")
    assert measured["method"].to_list() == ["CLIP", "UPL", "FAIR"]
    assert measured["seeds"].to_list() == [1, 1, 2]
    assert measured["published"].to_list() == [64.95, 64.71, 76.40]
    assert set(table["scale"]) == {"demo"}
    # asked for by UPL alone, whose one epoch is the best one
    best = measured["few_best_epoch"].to_list()
    assert best == [None, measured["few"][1], None]
    assert measured["best_epoch_average"].to_list() == best
    transductive = pl.read_csv(finished / "results/tables/fair_4.csv").drop_nulls("few-test")
    assert transductive["method"].to_list() == ["TransCLIP-ZS", "FAIR", "Optimal transport"]
    assert (finished / "results/tables/fair_3.csv").exists() is False, "it has no rows"


def test_signals_and_pseudo_labels_were_made_while_there_were_no_labels(finished):
    folder = finished / ADAPTED
    for name in ("free-clip", "free-transclip", "upl", "fair"):
        found = read_signals(folder / name / "few/seed0/signals.json")
        assert 0 < found.confidence <= 1 and 0 <= found.balance <= 1
        assert (found.seed_agreement is not None) == (name == "fair")
        assert (found.adapted_silhouette is not None) == (name in ("upl", "fair"))
        cell = finished / CELLS / f"few/{name}/seed0/few/zero_shot/metrics.json"
        assert read_metrics(cell).find("signal_confidence").value == found.confidence
    assert read_signals(folder / "free-clip/few/seed0/signals.json").zero_shot_agreement == 1
    fitted = ImageSet(finished / "results/tasks/few/fit").image_ids
    for name, most in (("fair", 0), ("upl", -1)):  # UPL labels some images alone
        labels = read_pseudo_labels(folder / name / "few/seed0/pseudo_labels.safetensors")
        assert labels.image_ids == fitted and labels.labels.shape == (1, len(fitted))
        assert labels.labels.min() >= most and labels.labels.max() < 3
    assert not (folder / "free-clip/few/seed0/pseudo_labels.safetensors").exists()


def test_a_second_fit_gives_the_same_bytes(finished, tmp_path):
    again = shutil.copytree(finished, tmp_path / "again", symlinks=True)
    for name in ("upl", "_training-free-tiny", "free-clip", "transport"):
        shutil.rmtree(again / ADAPTED / name)
    jobs = [f"{ADAPTED}/{job}/manifest.json" for job in ("upl", "_training-free-tiny")]
    snakemake(again, "--cores", 2, *jobs, config=CONFIG, root=again)
    assert results(again) == results(finished)


@pytest.mark.parametrize(
    ("module", "jobs"),
    [
        (
            "adaptation/trained/upl.py",
            {"adapt_model": 1, "judge_adapted": 1, "make_table_alone": 2, "make_table": 3},
        ),
        (
            "adaptation/stata.py",
            {"adapt_model": 1, "judge_adapted": 3, "make_table_alone": 4, "make_table": 3},
        ),
        ("adaptation/trained/must.py", {}),
        (
            "evaluation/adapted.py",
            {"judge_adapted": 3, "make_table_alone": 4, "make_table": 3},
        ),
        ("evaluation/protocols/zero_shot.py", {}),
    ],
)
def test_an_edit_of_a_method_adapts_by_this_method_alone(finished, module, jobs):
    file = finished / "src/nicheclip" / module
    before = file.read_text()
    file.write_text(before + "\nEDITED = True\n")
    try:
        planned = planned_jobs(finished, "fair", config=CONFIG, root=finished)
    finally:
        file.write_text(before)
    assert planned == (jobs | {"fair": 1} if jobs else {})
