"""Who is judged, by what, and from which files."""

import copy
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from nicheclip.config.compute import ComputeConfig
from nicheclip.config.data import ImageConfig
from nicheclip.config.workflow import parse_config
from nicheclip.plan.cells import Cell
from nicheclip.plan.given_files import check_files
from nicheclip.plan.plan import Plan
from nicheclip.plan.resources import (
    LARGEST,
    acquire_memory,
    largest_request,
    memory,
    minutes,
    training_memory,
)
from nicheclip.runtime.caches import cache_folders
from nicheclip.runtime.driver_lock import take_over
from nicheclip.runtime.errors import InputError
from nicheclip.slurm.jobs import impossible_requests
from nicheclip.subjects import COLOUR_HISTOGRAM, Subject

ROOT = Path(__file__).parents[2]
REGISTRY = ROOT / "workflow/registry"

CONFIG = yaml.safe_load("""
datasets:
  fish: {source: {kind: folder, path: fish}, shards: 2}
  birds: {source: {kind: table, path: birds.csv}}
  worms: {source: {kind: registry, name: eurosat}}
  spores:
    source: {kind: synthetic, world: {name: fungi}}
    split: {method: given, val: 0.3}
    captions: words
captions:
  words: {dataset: spores, backend: {kind: template, grammar: fungi}}
  said: {dataset: fish, backend: {kind: ollama, model: m, prompt: fungalzsl}}
  given: {dataset: fish, backend: {kind: replay, path: given.jsonl}}
models:
  small: {architecture: nicheclip-small}
  clip: {architecture: ViT-B-32, pretrained: openai}
training:
  own: &run
    dataset: fish
    model: small
    recipe: {kind: contrastive}
    texts: {types: {com: 1}}
    epochs: 1
    batch_size: 8
    seeds: [3, 5]
  tuned: {<<: *run, model: clip}
  other: {<<: *run, dataset: birds}
evaluation:
  e:
    dataset: fish
    protocols: [zero_shot, few_shot]
  elsewhere:
    dataset: [birds, fish]
    runs: [own]
    models: [clip, small]
    baseline: false
    class_texts: {kind: templates, templates: photo}
""")


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


@pytest.mark.parametrize(
    ("source", "given"),
    [
        ({"kind": "folder", "path": "x", "split_folders": True}, "split_folders: true"),
        (
            {"kind": "folder", "path": "x", "split_folders": "below_class"},
            "split_folders: below_class",
        ),
        ({"kind": "table", "path": "birds.csv"}, "the column 'split' of "),
        ({"kind": "table", "path": "b.csv", "columns": {"split": "set"}}, "the column 'set' of "),
        ({"kind": "registry", "name": "dtd"}, "the entry's splits train, val, test"),
        ({"kind": "hub", "repository": "a/b", "files": {"train": "x", "test": "y"}}, "train, test"),
        ({"kind": "webdataset", "files": {"train": "x*.tar"}}, "files: train"),
        (
            {
                "kind": "archive",
                "urls": ["file:///x.zip"],
                "reader": {"kind": "class_folders", "split_folders": True},
            },
            r"reader\.split_folders: true",
        ),
    ],
)
def test_a_given_split_is_not_drawn_anew_unless_asked(tmp_path, monkeypatch, source, given):
    monkeypatch.chdir(tmp_path)
    Path("birds.csv").write_text("path,label, split\n")
    Path("b.csv").write_text("path;label;set\n")
    source = source | ({"delimiter": ";"} if source.get("path") == "b.csv" else {})

    def check(**more):
        config = parse_config({"datasets": {"d": {"source": source, **more}}})
        check_files(Plan(config, REGISTRY))

    for split in ({}, {"split": {"val": 0.1, "test": 0.2}}):
        with pytest.raises(
            InputError, match=rf"datasets\.d\.split: .*{given}.*method: given to keep.*stratified"
        ):
            check(**split)
    for method in ("given", "hash", "stratified"):
        check(split={"method": method})


def test_a_given_split_of_a_workbook_is_not_drawn_anew_unless_asked(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.create_sheet("images").append(["path", "label", "split "])
    book.save(tmp_path / "b.xlsx")
    table = {"kind": "table", "path": str(tmp_path / "b.xlsx")}
    check_files(Plan(parse_config({"datasets": {"d": {"source": table}}}), REGISTRY))
    table["sheet"] = "images"
    with pytest.raises(InputError, match="the column 'split' of "):
        check_files(Plan(parse_config({"datasets": {"d": {"source": table}}}), REGISTRY))


def test_a_source_that_names_no_split_needs_no_method(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("birds.csv").write_text("path,label\n")
    sources = {
        "a": {"source": {"kind": "table", "path": "birds.csv"}},
        "b": {"source": {"kind": "registry", "name": "eurosat"}},
        "c": {"source": {"kind": "folder", "path": "x", "split_folders": False}},
    }
    check_files(Plan(parse_config({"datasets": sources}), REGISTRY))


@pytest.mark.parametrize(
    ("section", "entry"),
    [
        ("datasets", {"source": {"kind": "table", "path": "x" * 5000}}),
        ("datasets", {"source": {"kind": "registry", "name": "x" * 5000}}),
        ("captions", {"dataset": "fish", "backend": {"kind": "replay", "path": "x" * 5000}}),
        ("captions", {"dataset": "fish", "backend": {"kind": "template", "grammar": "x" * 5000}}),
        ("captions", {"dataset": "fish", "backend": {"kind": "replay", "path": "a\0b"}}),
    ],
)
def test_a_name_that_no_file_can_have_stops_the_workflow(tmp_path, section, entry):
    (tmp_path / "birds.csv").touch()
    config = copy.deepcopy(CONFIG)
    config["datasets"]["birds"]["source"]["path"] = str(tmp_path / "birds.csv")
    config[section] = {"bad": entry, **config[section]}
    with pytest.raises(InputError, match=r"too long|null byte"):
        check_files(Plan(parse_config(config), REGISTRY))


def test_resources_grow_with_input_and_attempt():
    asked = SimpleNamespace(size_mb=1000)
    assert memory(1500, 2)(None, asked, 1) == 3500
    assert memory(1500, 2)(None, asked, 3) == 14_000
    assert minutes(60, 0.0011)(None, asked, 1) == 62


def test_further_attempts_ask_for_no_more_than_the_largest_partition_gives(monkeypatch):
    asked = SimpleNamespace(size_mb=0)
    partitions = [{"max_mem_mb": 16_000, "max_runtime": 100}, {"max_mem_mb": 9_000}]
    monkeypatch.setattr(LARGEST, "mem_mb", largest_request(partitions, "mem_mb"))
    monkeypatch.setattr(LARGEST, "runtime", largest_request(partitions, "runtime"))
    tries = (1, 2, 3)
    assert [memory(6_000)(None, asked, n) for n in tries] == [6_000, 12_000, 16_000]
    assert [minutes(60)(None, asked, n) for n in tries] == [60, 120, 240]
    # one that no partition takes is refused before anything runs, with these numbers
    assert [memory(20_000)(None, asked, n) for n in tries] == [20_000] * 3


def test_the_memory_of_acquiring_grows_with_the_largest_image():
    assert acquire_memory(ImageConfig(), 1) == 2000
    assert acquire_memory(ImageConfig(max_pixels=200_000_000), 2) == 6000


def test_the_memory_of_a_training(tmp_path):
    """Two processes on each node, of 4000 + 8 x 3 + 500 x 3 MB each."""
    compute = ComputeConfig(gpus=4, nodes=2, workers=3)
    (tmp_path / "config").write_bytes(bytes(2**20))
    (tmp_path / "weights").write_bytes(bytes(2 * 2**20))
    start = [str(tmp_path / name) for name in ("config", "weights", "not-made-yet")]
    assert training_memory(compute, start, 1) == 2 * 5524
    assert training_memory(compute, start, 2) == 4 * 5524
    assert training_memory(compute, start, 1, kept=3) == 2 * (5524 + 3 * 3)


def test_caches_lie_in_the_working_folder_unless_the_user_says_otherwise():
    found = cache_folders({"TORCH_HOME": "/t"}, Path("/w"), Path("/home/u"))
    assert found == {
        "XDG_CACHE_HOME": "/w/.cache",
        "HF_HOME": "/w/.cache/huggingface",
        "HF_TOKEN_PATH": "/home/u/.cache/huggingface/token",
        "TORCH_HOME": "/t",
        "MPLCONFIGDIR": "/w/.cache/matplotlib",
    }
    chosen = cache_folders({"XDG_CACHE_HOME": "/x", "HF_HOME": "/h"}, Path("/w"), Path("/home/u"))
    assert (chosen["HF_HOME"], chosen["HF_TOKEN_PATH"]) == ("/h", "/h/token")
    assert chosen["MPLCONFIGDIR"] == "/x/matplotlib"


@pytest.mark.parametrize(("before", "left"), [("local", 0), ("slurm", 0), ("cluster", 1), ("", 1)])
def test_lock_files_of_a_killed_driver_are_removed_where_no_job_can_be_left(tmp_path, before, left):
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks/0.input.lock").touch()
    (tmp_path / "driver.lock").write_text(before)
    take_over("local", tmp_path)
    assert len(list((tmp_path / "locks").glob("*.lock"))) == left
    assert (tmp_path / "driver.lock").read_text() == (before if left else "local")


def test_requests_that_no_partition_takes_are_named_by_rule():
    limits = {"cpu": {"max_mem_mb": 1000, "max_gpu": 0}, "gpu": {"max_mem_mb": 500}}
    requests = [
        ("small", {"mem_mb": 900, "threads": 1}),
        ("large", {"mem_mb": 2000, "mpi": "srun"}),
        ("large", {"mem_mb": 3000}),
        ("named", {"mem_mb": 900, "slurm_partition": "gpu"}),
    ]
    found = impossible_requests(requests, limits)
    assert list(found) == ["large", "named"]
    assert found["named"] == ["mem_mb 900 is above max_mem_mb 500 of gpu"]
    assert len(found["large"]) == 2  # of its first job: a line for each partition


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
