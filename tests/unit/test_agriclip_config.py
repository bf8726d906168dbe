"""AgriCLIP at the paper's scale: published settings, jobs, tables, and the data that it lacks."""

import csv
from types import SimpleNamespace

import pytest
import yaml

from nicheclip.config.workflow import parse_config
from nicheclip.config.yaml_file import read_yaml
from nicheclip.data.registry import load_entry
from nicheclip.plan.given_files import check_files, missing_data
from nicheclip.plan.last_run import origins
from nicheclip.plan.plan import Plan
from nicheclip.plan.resources import alignment_memory
from nicheclip.plan.tables import PaperTables
from nicheclip.runtime.errors import InputError
from small_tables import REGISTRY, ROOT, config

AGRICLIP = ROOT / "workflow/config/agriclip.yaml"
#: of the repository's dictionary of templates, at its last commit
SETS = 15
DINO_URL = "https://dl.fbaipublicfiles.com/dino/dino_resnet50_pretrain/dino_resnet50_pretrain.pth"


@pytest.fixture(scope="module")
def plan():
    return Plan(parse_config(read_yaml(AGRICLIP), [AGRICLIP]), REGISTRY)


@pytest.fixture(scope="module")
def tables(plan):
    return PaperTables(plan).by_name


def test_self_supervision_has_the_published_settings(plan):
    """The defaults of main_dino.py, with the epochs and the backbone of AgriCLIP."""
    run = plan.config.pretraining["dino-alive"]
    assert (run.backbone, run.weights, run.epochs, run.batch_size) == ("resnet50", None, 100, 64)
    assert run.optimizer.lr == pytest.approx(5e-4 * 64 / 256)
    assert (run.optimizer.weight_decay, run.recipe.last_weight_decay) == (0.04, 0.4)
    assert (run.schedule.end_lr, run.schedule.warmup(1000)) == (1e-6, 100)
    recipe, crops = run.recipe, run.recipe.crops
    assert (recipe.outputs, recipe.momentum, recipe.student_temperature) == (65_536, 0.996, 0.1)
    assert recipe.teacher_temperature == recipe.first_teacher_temperature == 0.04
    assert (run.size, crops.global_scale) == (224, (0.4, 1.0))
    assert (crops.local_crops, crops.local_size, crops.local_scale) == (8, 96, (0.05, 0.4))
    clip = plan.config.training["clip-alive"]
    assert (clip.epochs, clip.batch_size, clip.optimizer.lr) == (30, 128, 1e-3)


def test_the_published_alignment_is_one_of_them(plan):
    entry = plan.config.alignment["agriclip-published"]
    fit = entry.fit
    assert (fit.variance, fit.lr, fit.momentum, fit.weight_decay) == (4.5, 0.01, 0.9, 5e-4)
    assert (fit.batch_size, fit.epochs, fit.period, fit.bias) == (100, 70, 200, "as_published")
    assert (entry.text, entry.normalisation) == ("original", "as_published")
    assert str(plan.alignments.text("agriclip-published")) == "start/clip/pretrained"
    assert str(plan.alignments.target("agriclip-published")) == "trained/clip-alive/seed0"
    assert plan.config.alignment["agriclip-fused"].fusion == 0.5


def test_steps_ask_for_memory_for_all_features(plan):
    """600,000 images of 2560 numbers are 5.9 GB in float32, and are there twice."""
    inputs, images = SimpleNamespace(size_mb=1000), plan.expected_images("alive")
    closed, steps = (
        alignment_memory(plan.config.alignment[name], images, inputs, 1)
        for name in ("agriclip", "agriclip-steps")
    )
    assert closed == 8000
    assert steps - closed == pytest.approx(2 * 600_000 * 2560 * 4 / 2**20, abs=1)


def test_general_self_supervision_is_that_of_others(plan):
    name = "dino-general-clip-alive"
    assert plan.alignments.backbone_files(name) == []
    assert plan.alignments.fetched_weights("alignment", name) == [
        {"name": f"alignment.{name}", "backbone": "resnet50", "weights": DINO_URL}
    ]
    assert plan.alignments.fetched_weights("alignment", "agriclip") == []
    assert plan.alignments.fetched_weights("pretraining", "dino-alive") == []
    assert plan.alignments.result(name).variant == "seed0"
    job = plan.subject_job("cid", "test", "aligned", "dino-general-clip-general")
    assert plan.trained_on(job) == ["results/acquire/alive/catalog.parquet"]
    said = origins(plan.config, "a.yaml")[f"alignment.{name}"].made_from
    assert said == f"resnet50 with {DINO_URL} and clip-alive on the data set alive"


def test_each_downstream_set_has_its_own_template(plan):
    """The registry's entry quotes the template that the file holds."""
    tasks = plan.config.papers.agriclip.tasks
    assert len(tasks) == SETS
    for name in tasks:
        task = plan.config.evaluation[name]
        file = REGISTRY / f"prompts/{task.class_texts.templates}.yaml"
        (template,) = yaml.safe_load(file.read_text())["templates"]
        source = plan.config.datasets[task.dataset].source
        notes = load_entry(REGISTRY / "datasets", source.name).notes
        assert f'"{template}"' in " ".join(notes.split())


def test_each_set_stands_beside_its_published_value_or_an_empty_field(plan, tables):
    request = tables["agriclip_downstream"].request
    measured = [c.key for c in request.columns if c.show == "value" and c.interval]
    assert measured == plan.config.papers.agriclip.tasks
    shown = {c.key: c.published for c in request.columns if c.key.endswith("_published")}
    assert list(shown) == [f"{name}_published" for name in measured]
    with (REGISTRY / "published/agriclip_downstream.csv").open(encoding="utf-8") as stream:
        rows = {one["model"]: one for one in csv.DictReader(stream)}
    row = rows["AgriCLIP"]
    assert {column: row[column] for column in shown.values() if row[column]} == {
        "agri_banana_deficiency": "23.55"
    }
    assert "were not at hand" in rows["CLIP tuned on captions"]["source"]
    assert (row["crops"], rows["general CLIP"]["crops"]) == ("4.04", "70.24")


def test_what_trains_is_kept_apart_from_every_set(plan):
    leakage = plan.config.datasets["alive"].leakage
    assert leakage.apart_from == plan.config.papers.agriclip.tasks
    assert leakage.action == "remove"


def test_tables_of_maps_and_of_prompts(tables):
    fits = tables["agriclip_fits"].request
    with (REGISTRY / "published/agriclip_fits.csv").open(encoding="utf-8") as stream:
        published = {row["model"]: row["r2"] for row in csv.DictReader(stream)}
    assert [row.texts["model"] for row in fits.rows] == list(published)
    assert published["gradient steps"] == "0.805"
    prompts = tables["agriclip_prompts"].request
    models = {row.texts["model"] for row in prompts.rows}
    assert len(models) == 4 and len(prompts.rows) == 4 * 12
    assert prompts.figure.panels == "model"


def test_a_dry_run_says_what_is_missing_and_where_it_goes(plan, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = missing_data(plan)
    assert len(lines) == 1 + SETS
    banana = next(line for line in lines if line.startswith("datasets.banana-deficiency: "))
    assert banana.split(": ", 1)[1] == (
        "put banana_deficiency.zip (one folder for each class; the authors' copy is behind a "
        "SharePoint link) from https://www.kaggle.com/datasets/warcoder/"
        "nutrient-deficient-banana-plant-leaves into results/downloads/agri_banana_deficiency"
    )
    place = tmp_path / "results/downloads/agri_banana_deficiency"
    place.mkdir(parents=True)
    (place / "banana_deficiency.zip").touch()
    assert len(missing_data(plan)) == SETS


def test_weights_in_a_file_are_inputs_and_must_be_there(tmp_path):
    """Of a run and of an alignment; the message names the key."""
    values = config("align")
    file = tmp_path / "theirs.pth"
    values["pretraining"]["dino"]["weights"] = str(file)
    with pytest.raises(InputError, match=r"pretraining\.dino\.weights: .*theirs\.pth is not there"):
        check_files(Plan(parse_config(values), REGISTRY))
    file.touch()
    plan = Plan(parse_config(values), REGISTRY)
    check_files(plan)
    assert plan.alignments.start_weights("dino") == [str(file)]
    given = {"architecture": "test_resnet", "weights": str(tmp_path / "no.pth"), "size": 32}
    values["alignment"]["fused"] |= {"pretraining": None, "backbone": given}
    with pytest.raises(InputError, match=r"alignment\.fused\.backbone\.weights: .*no\.pth is not"):
        check_files(Plan(parse_config(values), REGISTRY))
    given["weights"] = str(file)
    assert Plan(parse_config(values), REGISTRY).alignments.backbone_files("fused") == [str(file)]
