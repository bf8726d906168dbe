"""Who is judged, by what, and from which files."""

import copy
from pathlib import Path

import pytest
import yaml
from planned_config import CONFIG

from nicheclip.config.workflow import parse_config
from nicheclip.plan.cells import Cell
from nicheclip.plan.given_files import check_files
from nicheclip.plan.plan import Plan
from nicheclip.runtime.errors import InputError
from nicheclip.subjects import COLOUR_HISTOGRAM, Subject

ROOT = Path(__file__).parents[2]
REGISTRY = ROOT / "workflow/registry"


@pytest.fixture
def plan():
    return Plan(parse_config(copy.deepcopy(CONFIG)), REGISTRY)


def names(subjects):
    return [str(subject) for subject in subjects]


def test_an_evaluation_judges_each_run_of_its_data_and_what_it_started_from(plan):
    assert names(plan.subjects("e", "fish")) == [
        "start/small/seed3",
        "start/small/seed5",
        "trained/own/seed3",
        "trained/own/seed5",
        "start/clip/pretrained",
        "trained/tuned/seed3",
        "trained/tuned/seed5",
    ]
    cells = plan.cells("e")
    assert len(cells) == 7 * 2 + 1
    assert cells[-1] == Cell(COLOUR_HISTOGRAM, "e", "fish", "test", "colour_histogram")


def test_runs_of_other_data_and_models_without_training_are_judged_on_request(plan):
    for dataset in ("birds", "fish"):
        assert names(plan.subjects("elsewhere", dataset)) == [
            "start/small/seed3",
            "start/small/seed5",
            "trained/own/seed3",
            "trained/own/seed5",
            "start/clip/pretrained",
            "start/small/seed0",
        ]
    assert {cell.dataset for cell in plan.cells("elsewhere")} == {"birds", "fish"}


def test_one_job_judges_the_variants_of_a_subject_by_all_that_asks_for_it(plan):
    job = plan.subject_job("fish", "test", "start", "small")
    assert job.folder == "results/evaluate/fish/test/start/small"
    assert job.features == "results/features/fish/test/start/small/manifest.json"
    assert job.variants == ["seed3", "seed5", "seed0"]
    assert job.evaluations == ["e", "elsewhere"]
    assert job.protocols == ["few_shot", "zero_shot"]
    assert plan.folds(job) == ["results/folds/e/fish.parquet"]
    assert plan.template_files(job) == [str(REGISTRY / "prompts/photo.yaml")]
    assert plan.caption_files(job) == []
    assert [one.name for one in plan.text_sets(job)] == ["templates.photo.com"]
    first, *_, last = plan.requests(job)
    assert (first["evaluation"], first["protocol"]) == ("e", "zero_shot")
    assert first["variants"] == ["seed3", "seed5"]
    assert last["variants"] == ["seed3", "seed5", "seed0"]
    assert plan.subject_job("birds", "test", "trained", "other").cells == ()
    assert len(plan.all_cells()) == sum(len(job.cells) for job in plan.subject_jobs.values())


def test_paths_of_subjects_and_cells_are_the_contract():
    subject = Subject(kind="trained", name="run", variant="seed7")
    assert subject.folder == "results/models/trained/run/seed7"
    assert subject.files() == [
        "results/models/trained/run/seed7/open_clip_config.json",
        "results/models/trained/run/seed7/open_clip_model.safetensors",
    ]
    assert subject.seed == 7
    assert Subject(kind="start", name="clip", variant="pretrained").seed is None
    cell = Cell(subject, "e", "fish", "test", "zero_shot")
    assert cell.metrics == ("results/evaluate/fish/test/trained/run/seed7/e/zero_shot/metrics.json")


def test_what_makes_a_data_set_stale_and_who_reads_it(plan):
    assert plan.source_files("fish") == []
    assert plan.source_files("birds") == ["birds.csv"]
    assert plan.source_files("worms") == [str(REGISTRY / "datasets/eurosat.yaml")]
    assert plan.source_modules("fish") == ["nicheclip.data.sources.folder"]
    entry = yaml.safe_load((REGISTRY / "datasets/eurosat.yaml").read_text())
    assert plan.source_modules("worms") == [f"nicheclip.data.sources.{entry['source']['kind']}"]
    assert plan.source_modules("spores") == [
        "nicheclip.data.sources.synthetic",
        "nicheclip.synthetic.fungi_world",
    ]


def test_shares_of_a_split_that_nobody_draws_change_nothing(plan):
    spores, fish = (plan.config.datasets[name] for name in ("spores", "fish"))
    assert spores.determines_splits() == {
        "method": "given",
        "near_duplicate_bits": 4,
        "val_from_train": 0,
    }
    assert set(spores.determines_images()) == {"source", "image", "names", "parts", "shards"}
    others = {"train_images", "test_images", "val_trains"}  # of other methods
    assert fish.determines_splits() == fish.split.model_dump(mode="json", exclude=others)


def test_captions_know_their_file_module_and_memory(plan):
    assert plan.caption_source("words") == str(REGISTRY / "prompts/fungi.yaml")
    assert plan.caption_source("given") == "given.jsonl"
    backends = {name: captions.backend for name, captions in plan.config.captions.items()}
    assert [backend.starts_server for backend in backends.values()] == [False, True, False]
    assert backends["said"].module == "nicheclip.captions.ollama"
    assert (plan.caption_memory("words"), plan.caption_memory("said")) == (4_000, 16_000)
    assert plan.own_captions("spores", ("train", "val")) == [
        "results/texts/spores/train.arrow",
        "results/texts/spores/val.arrow",
    ]
    assert plan.own_captions("fish") == []


def test_a_start_model_is_made_of_our_file_or_of_a_checkpoint(tmp_path):
    weights = tmp_path / "weights.pt"
    weights.touch()
    config = copy.deepcopy(CONFIG)
    config["models"]["clip"]["pretrained"] = str(weights)
    plan = Plan(parse_config(config), REGISTRY)
    assert plan.model_sources("small") == [str(REGISTRY / "models/nicheclip-small.json")]
    assert plan.model_sources("clip") == [str(weights)]


def test_a_file_that_the_config_names_and_that_is_not_there_stops_the_workflow(plan, tmp_path):
    """Snakemake would take results whose source is gone for given ones."""
    with pytest.raises(InputError, match=r"datasets\.birds\.source: birds\.csv is not there"):
        check_files(plan)
    for name in ("birds.csv", "given.jsonl"):
        (tmp_path / name).touch()
    config = copy.deepcopy(CONFIG)
    config["datasets"]["birds"]["source"]["path"] = str(tmp_path / "birds.csv")
    config["captions"]["given"]["backend"]["path"] = str(tmp_path / "given.jsonl")
    check_files(Plan(parse_config(config), REGISTRY))
    config["evaluation"]["elsewhere"]["class_texts"]["templates"] = "foto"
    with pytest.raises(
        InputError, match=r"evaluation\.elsewhere\.class_texts: .*foto\.yaml is not"
    ):
        check_files(Plan(parse_config(config), REGISTRY))
    config["captions"]["words"]["backend"]["grammar"] = "fungy"
    with pytest.raises(InputError, match=r"captions\.words\.backend: .*fungy\.yaml is not there"):
        check_files(Plan(parse_config(config), REGISTRY))


def test_what_learns_from_the_train_split_encodes_it_once_and_judges_nothing_there():
    config = copy.deepcopy(CONFIG)
    config["evaluation"]["e"]["protocols"] = ["zero_shot", "linear_probe", "knn"]
    plan = Plan(parse_config(config), REGISTRY)
    job = plan.subject_job("fish", "test", "trained", "own")
    assert plan.learnt_from(job) == ["results/features/fish/train/trained/own/manifest.json"]
    train = plan.subject_job("fish", "train", "trained", "own")
    assert train.variants == ["seed3", "seed5"] and not train.cells
    assert not plan.requests(train) and not plan.text_sets(train)
    elsewhere = plan.subject_job("birds", "test", "trained", "own")
    assert plan.learnt_from(elsewhere) == []
    assert not plan.subject_job("birds", "train", "trained", "own").subjects
    assert not any("/train/" in cell.job for cell in plan.all_cells())
