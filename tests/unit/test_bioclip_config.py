"""BioCLIP at the paper's scale: runs, benchmarks beside published numbers, and what lacks data."""

import csv

import pytest

from nicheclip.config.workflow import parse_config
from nicheclip.config.yaml_file import read_yaml
from nicheclip.plan.given_files import missing_data
from nicheclip.plan.plan import Plan
from nicheclip.plan.tables import PaperTables
from nicheclip.reporting.published import read_published
from nicheclip.runtime.errors import InputError
from small_tables import REGISTRY, ROOT, config, tables

BIOCLIP = ROOT / "workflow/config/bioclip.yaml"
MODELS = ["CLIP", "OpenCLIP", "BioCLIP", "BioCLIP (iNat21 only)"]


@pytest.fixture(scope="module")
def plan():
    return Plan(parse_config(read_yaml(BIOCLIP), [BIOCLIP]), REGISTRY)


@pytest.fixture(scope="module")
def benchmarks(plan):
    return PaperTables(plan).by_name["bioclip_benchmarks"].request


def test_runs_have_the_published_settings(plan):
    runs = plan.config.training
    whole, alone = runs["bioclip"], runs["inat21"]
    assert (whole.batch_size, alone.batch_size, whole.epochs) == (32_768, 16_384, 100)
    assert (whole.optimizer.lr, whole.optimizer.weight_decay) == (1e-4, 0.2)
    assert whole.schedule.warmup(10**6) == 1000 and whole.gradient_checkpointing
    types = {"sci", "com", "taxon", "sci_com", "taxon_com"}
    assert set(whole.texts.types) == set(alone.texts.types) == types
    small = {name: run for name, run in runs.items() if run.dataset == "tol-1m"}
    single = {next(iter(run.texts.types)) for run in small.values() if len(run.texts.types) == 1}
    assert types <= single
    kinds = {run.recipe.kind for run in small.values()}
    assert kinds == {"contrastive", "classification", "hierarchical_classification"}
    assert {(run.epochs, run.batch_size) for run in small.values()} == {(100, 16_384)}


def test_every_published_number_has_a_row_of_its_own(benchmarks):
    """Nine benchmarks by their own names, and Rare Species by the names of each model."""
    assert len(benchmarks.rows) == 4 * (9 + 2)
    ours = [tuple(row.texts.values()) for row in benchmarks.rows]
    words = {"com": "common", "taxon_com": "taxonomic + common"}
    with (REGISTRY / "published/bioclip_zero_shot.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    papers = [(row["dataset"], words[row["text_type"]], row["model"]) for row in rows]
    assert len(set(papers)) == 40 and set(papers) <= set(ours)
    assert [model for _, _, model in ours[:4]] == MODELS


def test_a_label_may_stand_for_a_start_model(benchmarks):
    first = {row.texts["model"]: row.entry for row in benchmarks.rows[:4]}
    assert (first["OpenCLIP"].kind, first["OpenCLIP"].name) == ("start", "open-clip")
    assert (first["BioCLIP"].kind, first["BioCLIP"].variants) == ("trained", ["seed42"])
    few_shot = {"one_shot", "five_shot"}
    assert few_shot <= benchmarks.rows[0].entries.keys()
    assert not few_shot & benchmarks.rows[-1].entries.keys()  # Rare Species: a table of its own


def test_objectives_have_a_mean_over_the_ten_benchmarks(plan):
    """A row for each objective and number of shots, of runs that differ in the objective alone."""
    request = PaperTables(plan).by_name["bioclip_objectives_mean"].request
    objectives = ["contrastive", "classification", "hierarchical classification"]
    shots = ["1-shot", "5-shot"]
    rows = [tuple(row.texts.values()) for row in request.rows]
    assert rows == [(objective, shot) for objective in objectives for shot in shots]
    (average,) = (column for column in request.columns if column.mean_of)
    judged = [request.rows[1].entries[key] for key in average.mean_of]
    registry = {plan.config.datasets[one.dataset].source.name for one in judged}
    with (REGISTRY / "published/bioclip_zero_shot.csv").open(encoding="utf-8") as stream:
        assert registry == {row["dataset"] for row in csv.DictReader(stream)}
    assert len(judged) == 10
    assert {(one.protocol, one.facets["shots"]) for one in judged} == {("few_shot", 5)}
    assert {(one.dataset, one.split) for one in judged if one.split != "test"} == {
        ("birds", "train")
    }
    assert {row.entry.name for row in request.rows} == {"mixed", "classification", "hierarchical"}


def test_the_papers_rows_of_objectives_stand_empty_with_the_reason(plan):
    request = PaperTables(plan).by_name["bioclip_objectives_mean"].request
    values = [request.published.value]
    papers = read_published(request.published_file, request.published.row, values)
    ours = {tuple(row.texts.values()) for row in request.rows}
    assert {tuple(row.texts.values()) for row in papers} == ours
    assert not any(row.values for row in papers)
    assert all("not at hand" in row.source for row in papers)


def test_a_benchmark_that_a_person_must_get_says_what_and_where(plan, tmp_path, monkeypatch):
    """All can be read: what is trained on, and Rare Species, is fetched."""
    monkeypatch.chdir(tmp_path)
    lines = {line.split(":")[0]: line for line in missing_data(plan)}
    fetched = ("rare-species", "tol-10m", "tol-1m", "inat21")
    assert lines.keys() == {
        f"datasets.{name}" for name in plan.config.datasets if name not in fetched
    }
    assert not any("cannot be read yet" in line for line in lines.values())
    page, folder = "https://meta-album.github.io", "results/downloads/plankton"
    assert lines["datasets.plankton"] == (
        f"datasets.plankton: put PLK_Mini.zip from {page} into {folder}"
    )


def test_five_of_five_images_are_no_support(plan):
    """Birds 525 has five test images a class: zero-shot is judged on them, few-shot on others."""
    judged = {
        (evaluation.split, protocol)
        for evaluation in plan.config.evaluation.values()
        for protocol in evaluation.protocols
        if "birds" in evaluation.datasets
    }
    assert judged == {("test", "zero_shot"), ("train", "few_shot")}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"papers__bioclip__benchmarks": ["arbor"]}, "benchmark_models: give both, or neither"),
        ({"papers__bioclip__objectives": {}, "papers__bioclip__objectives_benchmarks": ["arbor"]},
         "objectives_benchmarks: there are no objectives"),
        ({"papers__bioclip__benchmarks": ["arbor"],
          "papers__bioclip__benchmark_models": {"a": "nobody"}},
         "no training run or start model is called 'nobody'"),
    ],
)  # fmt: skip
def test_benchmarks_name_models_that_are_there(changes, message):
    with pytest.raises(InputError, match=message):
        tables(config("arbor", **changes))
