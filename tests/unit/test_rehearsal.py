"""Rehearsals: every config becomes one that needs no network, no GPU, no weights and no server."""

import copy
import io
import json
from pathlib import Path

import pytest
from PIL import Image

from nicheclip.captions.template import TemplateBackend
from nicheclip.config.grids import expand_grids
from nicheclip.config.rehearsal.rehearsed import rehearsed
from nicheclip.config.tasks import CaptionSource, PublishedDescriptions
from nicheclip.config.training_free import given_vision
from nicheclip.config.workflow import parse_config
from nicheclip.config.worlds import StandInWorld
from nicheclip.config.yaml_file import read_yaml
from nicheclip.models.openclip import create
from nicheclip.plan.given_files import check_files, missing_data
from nicheclip.plan.plan import Plan
from nicheclip.plan.tables import PaperTables
from nicheclip.runtime.errors import InputError
from nicheclip.synthetic.worlds import iterate
from nicheclip.training.unfreezing import towers
from small_tables import REGISTRY, ROOT

PAPERS = ("fungalzsl", "bioclip", "agriclip", "fair")
FILES = [ROOT / "config.yaml", *sorted((ROOT / "workflow/config").glob("*.yaml"))]


def values_of(paper, rehearsal=4):
    return read_yaml(ROOT / f"workflow/config/{paper}.yaml") | {"rehearsal": rehearsal}


def config_of(paper, rehearsal=4):
    return parse_config(values_of(paper, rehearsal))


def config_with(rehearsal=4, **sections):
    source = {"kind": "registry", "name": "eurosat"}
    return parse_config(
        {"datasets": {"land": {"source": source}}, "rehearsal": rehearsal} | sections
    )


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_rehearsal_needs_nothing_from_elsewhere(file):
    config = parse_config(read_yaml(file) | {"rehearsal": 4}, [file])
    assert config.scale == "rehearsal"
    kinds = {name: one.source.kind for name, one in config.datasets.items()}
    assert set(kinds.values()) <= {"synthetic", "unlabelled"}
    assert not any(one.backend.remote for one in config.captions.values())
    assert all(one.pretrained is None for one in config.models.values())
    assert all(
        (REGISTRY / f"models/{one.architecture}.json").is_file() for one in config.models.values()
    )
    assert all(one.weights is None for one in config.pretraining.values())
    assert all(one.backbone is None for one in config.alignment.values())
    assert not any(given_vision(one.method) for one in config.adaptation.values())
    computes = [
        one.compute
        for section in (config.training, config.pretraining, config.adaptation)
        for one in section.values()
    ]
    assert all((one.gpus, one.nodes, one.workers) == (0, 1, 0) for one in computes)
    assert config.encoding.gpu == 0
    texts = [
        source
        for task in config.tasks.values()
        for source in (task.texts.descriptions, task.texts.details)
    ]
    assert not any(isinstance(one, PublishedDescriptions) for one in texts)
    assert all(one.precision == "32-true" for one in config.training.values())


@pytest.mark.parametrize("paper", PAPERS)
def test_every_table_of_a_paper_is_there_and_marked(paper):
    real = PaperTables(
        Plan(parse_config(read_yaml(ROOT / f"workflow/config/{paper}.yaml")), REGISTRY)
    )
    plan = Plan(config_of(paper), REGISTRY)
    check_files(plan)
    assert missing_data(plan) == []
    tables = PaperTables(plan).by_name
    assert tables.keys() == real.by_name.keys()
    for name, table in tables.items():
        assert "(rehearsal: " in table.request.title
        rows = [row.texts for row in real.by_name[name].request.rows]
        kept = [row.texts for row in table.request.rows]
        assert all(texts in rows for texts in kept)
        if "task" not in rows[0] and "dataset" not in rows[0] and "texts" not in rows[0]:
            assert kept == rows  # others have rows for each data set
        shown = {column.show for column in real.by_name[name].request.columns}
        assert {column.show for column in table.request.columns} == shown


@pytest.mark.parametrize("paper", PAPERS)
def test_the_given_values_stay_and_a_rehearsal_is_its_own_rehearsal(paper):
    values = expand_grids(values_of(paper)).values
    before = copy.deepcopy(values)
    once = rehearsed(values, REGISTRY)
    assert values == before
    again = rehearsed(copy.deepcopy(once), REGISTRY)
    assert parse_config(again) == parse_config(once) == config_of(paper)
    # as the report reads it
    config = config_of(paper)
    assert parse_config(config.model_dump(mode="json", exclude_unset=True)) == config


def test_registered_names_are_the_classes():
    config = config_with({"images": 3, "classes": 4})
    world = config.datasets["land"].source.world
    names = read_yaml(REGISTRY / "datasets/eurosat.yaml")["class_names"]
    assert world.classes == dict(list(names.items())[:4])
    images = list(iterate(world, seed=0))
    # the split is drawn: all images are the source's
    assert len(images) == 4 * 9
    assert {(one.label, one.name) for one in images} == set(world.classes.items())
    assert all(not one.lineage and not one.common for one in images)
    assert Image.open(io.BytesIO(images[0].jpg)).size == (32, 32)


def test_a_given_split_has_as_many_images_in_each_split():
    config = config_of("fair")
    world = config.datasets["dtd"].source.world
    assert (world.species, world.classes) == (12, {})
    images = list(iterate(world, seed=0))
    counts = {
        split: sum(one.split == split for one in images) for split in ("train", "val", "test")
    }
    assert counts == {"train": 48, "val": 48, "test": 48}
    assert config.datasets["dtd"].split.val_trains
    eurosat = config.datasets["eurosat"].split
    assert (eurosat.method, eurosat.train_images, eurosat.test_images) == ("counts", 4, 4)


def test_stand_ins_share_some_species_and_no_image():
    one, two = (
        list(iterate(StandInWorld(name="stand_in", of=name, images_per_class={"train": 1}), seed=3))
        for name in ("one", "two")
    )
    labels = [{image.label for image in images} for images in (one, two)]
    assert all(len(found) == 12 for found in labels)
    assert 0 < len(labels[0] & labels[1]) < 12
    assert not {image.jpg for image in one} & {image.jpg for image in two}
    assert all(len(image.lineage) == 7 and image.common for image in one)
    same = iterate(StandInWorld(name="stand_in", of="one", images_per_class={"train": 1}), seed=3)
    assert [image.jpg for image in same] == [image.jpg for image in one]


def test_there_are_images_enough_for_the_most_shots():
    config = config_of("bioclip", 2)
    assert config.evaluation["benchmarks"].shots == [1, 5]
    assert config.datasets["birds"].source.world.images_per_class["test"] == 6
    assert config.datasets["tol-10m"].source.world.images_per_class["train"] == 2
    parts = config.datasets["tol-10m"]
    assert (parts.parts, parts.shards) == (2, 4)


def test_methods_of_a_kind_that_start_alike_share_a_job():
    plan = Plan(config_of("fair"), REGISTRY)
    job = plan.adaptations.jobs["rehearsal-fair-ViT-B-32"]
    assert "fair" in job.entries and "fair-60-30" in job.entries
    assert {method["method"]["epochs"] for method in job.methods} == {1}
    # the registry's entry is flowers102_zhou, whose images are those of flowers102
    assert plan.config.datasets["flowers102"].source.known_as(REGISTRY, "") == "flowers102"
    assert plan.adaptations.method("dpa", "flowers102").optimizer.lr == 1e-4
    published = plan.adaptations.method("dpa", "eurosat")
    assert (published.epochs, published.batch_size, published.alignment_weight) == (1, 8, 0.01)
    whole = next(one for one in job.methods if one["method"]["top_crops"] is None)
    assert whole["method"]["crops"] == 4


def test_texts_of_others_become_captions():
    config = config_of("fair")
    for task in config.tasks.values():
        assert task.texts.descriptions == CaptionSource(
            captions=f"rehearsal-{task.dataset}", split="all"
        )
        assert config.captions[f"rehearsal-{task.dataset}"].backend.grammar == "rehearsal"
    names = {"class": "a", "sci": "Aus bus", "com": "one thing", "taxon": "A B"}
    grammar = TemplateBackend(REGISTRY / "prompts", "rehearsal", {"a": names})
    samples = config.captions["rehearsal-dtd"].samples
    assert grammar.combinations("a") >= samples


def test_backbones_of_others_are_trained():
    config = config_of("agriclip")
    assert config.alignment["dino-general-clip-alive"].pretraining == "rehearsal-resnet50"
    assert config.pretraining["rehearsal-resnet50"].dataset == "alive"
    assert config.alignment["agriclip"].pretraining == "dino-alive"
    transport = config_of("fair").adaptation["transport-dinov2-v3"].method
    assert transport.vision == [
        "rehearsal-vit_base_patch14_dinov2",
        "rehearsal-vit_base_patch16_dinov3",
    ]
    # fusion wants images of one size
    for model in config.models.values():
        architecture = json.loads((REGISTRY / f"models/{model.architecture}.json").read_text())
        size = architecture["vision_cfg"]["image_size"]
        assert {one.size for one in config.pretraining.values()} == {size}


def test_a_resnet_stays_one():
    models = config_of("fungalzsl").models
    assert models["RN50"].architecture == "nicheclip-tiny-resnet"
    assert models["ViT-B-32"].architecture == "nicheclip-tiny"
    model = create(models["RN50"], seed=0, registry=REGISTRY / "models").model
    image, _ = towers(model, "stages")
    assert image.blocks[0] == ("visual.attnpool",)


def test_files_are_looked_for_where_the_rehearsal_was_started(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    world = {"name": "fungi"}
    config = parse_config(
        {
            "rehearsal": 4,
            "datasets": {
                "photos": {"source": {"kind": "unlabelled", "path": "here", "classes": "c.txt"}},
                "fungi": {"source": {"kind": "synthetic", "world": world}},
                "own": {"source": {"kind": "folder", "path": "own"}, "names": {"a": "b"}},
            },
            "captions": {
                "drawn": {"dataset": "fungi", "backend": {"kind": "replay", "path": "a.json"}},
                "other": {"dataset": "own", "backend": {"kind": "replay", "path": "b.json"}},
            },
        }
    )
    source = config.datasets["photos"].source
    assert (source.path, source.classes) == (
        str(Path("here").absolute()),
        str(Path("c.txt").absolute()),
    )
    assert config.captions["drawn"].backend.path == str(Path("a.json").absolute())
    # a stand-in has other classes than the file
    assert config.captions["other"].backend.kind == "template"
    assert config.datasets["own"].source.world.species == 12
    assert config.datasets["fungi"].source.world.size == 32


def test_a_wrong_config_is_refused_as_it_stands(tmp_path):
    with pytest.raises(InputError, match="rehearsal"):
        config_with(1)
    with pytest.raises(InputError, match="scale: rehearsal is set by the key rehearsal"):
        config_with(None, scale="rehearsal")
    with pytest.raises(InputError, match="imagess"):
        config_with({"imagess": 4})
    with pytest.raises(InputError, match="no 'datasets' entry is called 'lnd'"):
        config_with(evaluation={"e": {"dataset": "lnd"}})


def test_three_classes_are_enough_to_draw_some_from():
    config = parse_config(
        read_yaml(ROOT / "tests/configs/adapt.yaml") | {"rehearsal": {"images": 2, "classes": 3}}
    )
    assert config.tasks["few"].classes.sample == 2


def test_each_image_model_of_others_is_trained_by_a_name_that_a_config_may_have():
    values = read_yaml(ROOT / "tests/configs/adapt.yaml") | {"rehearsal": 2}
    values["adaptation"]["transport"]["method"]["vision"] = [
        {"architecture": "resnet18", "weights": "one.pt"},
        {"architecture": "resnet18", "weights": "other.pt"},
        {"architecture": "hf-hub:owner/model", "weights": "one.pt"},
    ]
    config = parse_config(values)
    names = ["rehearsal-resnet18", "rehearsal-resnet18-2", "rehearsal-hf-hub-owner-model"]
    assert config.adaptation["transport"].method.vision == names
    assert set(names) < config.pretraining.keys()


def test_photographs_without_labels_train_the_image_models_of_others():
    values = read_yaml(ROOT / "workflow/config/unlabelled.yaml") | {"rehearsal": 4}
    values["datasets"]["photos"]["source"] |= {"classes": ["ant", "bee"]}
    values["adaptation"]["moved"] = {
        "method": {
            "kind": "optimal_transport",
            "vision": [{"architecture": "resnet18", "weights": "one.pt"}],
        },
        "model": "start",
        "tasks": ["photos"],
    }
    config = parse_config(values)
    assert config.pretraining["rehearsal-resnet18"].dataset == "photos"
    assert config.adaptation["moved"].method.vision == ["rehearsal-resnet18"]


def test_an_unknown_key_of_a_rehearsal_is_explained_by_those_that_it_has():
    with pytest.raises(InputError, match="unknown key 'imges'; did you mean 'images'"):
        config_with({"images": 4, "imges": 4})
