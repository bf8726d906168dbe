"""What a config costs before it runs."""

from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from nicheclip.config.adaptation import Method
from nicheclip.config.workflow import parse_config
from nicheclip.cost.adaptation import CostOfAdaptation, operations
from nicheclip.cost.config import summed
from nicheclip.cost.passes import TaskSize, epochs, passes
from nicheclip.cost.rows import CostRow, as_csv, as_text
from nicheclip.cost.towers import towers_of
from nicheclip.plan.plan import Plan

ROOT = Path(__file__).parents[2]
REGISTRY = ROOT / "workflow/registry"
METHOD = TypeAdapter(Method)
#: a task of 1,000 images and ten classes
TASK = TaskSize(fit=1000, judged=500, classes=10)


def needs(kind, size=TASK, **options):
    return passes(METHOD.validate_python({"kind": kind, **options}), size)


@pytest.mark.parametrize(
    ("architecture", "image", "text", "tokens"),
    [  # of open_clip's own profile, in 10^9 operations
        ("ViT-B-32", 8.82, 5.96, 50),
        ("ViT-B-16", 35.13, 5.96, 197),
        ("ViT-L-14", 162.03, 13.30, 257),
    ],
)
def test_operations_of_known_models(architecture, image, text, tokens):
    towers = towers_of(architecture, REGISTRY / "models")
    assert towers.image / 1e9 == pytest.approx(image, abs=0.01)
    assert towers.text / 1e9 == pytest.approx(text, abs=0.01)
    assert towers.tokens == tokens


def test_operations_of_our_own_model_by_hand():
    towers = towers_of("nicheclip-small-48", REGISTRY / "models")
    blocks = 3 * (2 * 37 * 12 * 96**2 + 4 * 37**2 * 96)
    assert towers.image == blocks + 2 * 36 * 3 * 64 * 96
    assert towers.text == 2 * (2 * 56 * 12 * 64**2 + 4 * 56**2 * 64)


@pytest.mark.parametrize("architecture", ["RN50", "nobody-knows-it", "hf-hub:them/theirs"])
def test_other_models_are_not_guessed(architecture):
    assert towers_of(architecture, REGISTRY / "models") is None


@pytest.mark.parametrize(
    ("kind", "options", "forward", "backward", "once", "judged"),
    [
        ("clip", {}, 0, 0, 0, 1),
        ("cupl", {}, 0, 0, 0, 1),
        ("wca", {"crops": 60}, 0, 0, 0, 61),
        ("transclip", {}, 0, 0, 1, 1),
        ("upl", {}, 160 / 1000, 0, 1, 1),
        ("pouf", {}, 1, 0, 0, 1),
        ("lafter", {}, 2, 1, 0, 1),
        ("reclip", {}, 2, 1, 0, 1),
        ("dpa", {}, 2, 1, 1, 1),
        ("must", {}, 2, 1, 0, 1),
        ("fair", {"labels": "image", "classes": "initial"}, 2, 1, 0, 1),
        ("fair", {"labels": "coder"}, 2, 1, 0, 1),
        ("fair", {"crops": 8, "top_crops": 4}, 10, 1, 0, 1),
        ("fair", {"crops": 60, "top_crops": 1}, 62, 1, 0, 1),
    ],
)
def test_views_of_each_method(kind, options, forward, backward, once, judged):
    found = needs(kind, **options)
    assert (found.forward, found.backward, found.once, found.judged) == (
        forward,
        backward,
        once,
        judged,
    )


@pytest.mark.parametrize(
    ("kind", "options", "gigaflop"),
    [
        ("fair", {"crops": 8}, 106),
        ("fair", {"crops": 16}, 176),
        ("fair", {"crops": 60}, 565),
        ("fair", {"labels": "image"}, 35),
        ("dpa", {}, 35),
    ],
)
def test_an_image_and_epoch_with_a_backward_pass_of_two_forward_passes(kind, options, gigaflop):
    towers = towers_of("ViT-B-32", REGISTRY / "models")
    found = replace(needs(kind, **options), backward_cost=2.0)
    assert found.views(towers.tokens) * towers.image / 1e9 == pytest.approx(gigaflop, abs=0.8)


def test_fair_on_all_thirteen_data_sets():
    towers = towers_of("ViT-B-32", REGISTRY / "models")
    images = TaskSize(fit=283_690, judged=0, classes=100)
    for crops, exaflop in ((8, 0.45), (60, 2.40)):
        method = METHOD.validate_python({"kind": "fair", "crops": crops})
        found = replace(passes(method, images), backward_cost=2.0)
        whole = operations(found, images, towers, epochs(method))
        assert whole / 1e18 == pytest.approx(exaflop, abs=0.005)


def test_where_the_tower_s_weights_stand_still_backward_costs_as_much_as_forward():
    assert needs("fair", crops=8).views(50) == 11
    assert needs("must").views(50) == 4
    # 50 prompts beside 50 tokens: both of the learning view's passes are twice as long
    assert needs("lafter").views(50) == 1 + 2 + 2


def test_texts_go_forward_and_back_in_every_step():
    assert needs("pouf", batch_size=96).texts_an_epoch() == 2 * 10 * 11
    assert needs("upl", batch_size=32).texts_an_epoch() == 2 * 10 * 5
    assert needs("fair").texts_an_epoch() == 0


def test_a_transductive_task_encodes_its_images_once():
    assert needs("transclip", TaskSize(500, 500, 10, transductive=True)).once == 0


CONFIG = {
    "datasets": {
        "pets": {
            "source": {"kind": "registry", "name": "oxford_pets"},
            "split": {"method": "given"},
        },
        "satellite": {
            "source": {"kind": "registry", "name": "eurosat"},
            "split": {"val": 0.0, "test": 0.2},
        },
        "mine": {"source": {"kind": "folder", "path": "."}},
    },
    "models": {
        "clip": {"architecture": "ViT-B-32", "pretrained": "openai"},
        "resnet": {"architecture": "RN50"},
    },
    "tasks": {name: {"dataset": name} for name in ("pets", "satellite", "mine")},
    "adaptation": {
        "dpa": {"method": {"kind": "dpa"}, "published": True, "model": "clip",
                "tasks": ["pets", "satellite", "mine"], "seeds": [0, 1]},
        "clip": {"method": {"kind": "clip"}, "model": "resnet", "tasks": ["pets"]},
    },
}  # fmt: skip


@pytest.fixture
def rows(tmp_path):
    return list(CostOfAdaptation(Plan(parse_config(CONFIG), REGISTRY), tmp_path).rows())


def test_sizes_are_those_of_the_registry(rows):
    pets, satellite, mine, resnet = rows
    assert (pets.images, pets.epochs, pets.seeds) == (3680, 15, 2)
    # 27,000 images without a split, a fifth of which is for test; published: ten epochs
    assert (satellite.images, satellite.epochs) == (21_600, 10)
    towers = towers_of("ViT-B-32", REGISTRY / "models")
    views = 15 * 3680 * 3 + 3680 + 3669
    assert pets.operations == pytest.approx(2 * views * towers.image)
    assert mine.images is None and mine.operations is None and "counted" in mine.note
    assert resnet.operations is None and "vision transformers" in resnet.note


@pytest.mark.parametrize(
    ("name", "split", "train", "test"),
    [
        ("eurosat", {"method": "counts", "train_images": 1000, "test_images": 500}, 10_000, 5000),
        ("caltech101", {"method": "counts", "train_images": 30}, 3000, 5242),
        ("dtd", {"method": "given", "val_trains": True}, 3760, 1880),
        ("sun397", {"val": 0.1, "test": 0.2}, 76_128, 21_751),
    ],
)
def test_sizes_follow_the_split(tmp_path, name, split, train, test):
    values = {
        "datasets": {"d": {"source": {"kind": "registry", "name": name}, "split": split}},
        "tasks": {"t": {"dataset": "d"}},
    }
    size = CostOfAdaptation(Plan(parse_config(values), REGISTRY), tmp_path).size("t")
    assert (size.fit, size.judged) == (train, test)


def test_rows_of_an_entry_are_summed(rows):
    dpa, clip = summed(rows)
    assert (dpa.data, dpa.images) == ("3 tasks", 3680 + 21_600)
    assert dpa.operations == rows[0].operations + rows[1].operations
    assert clip.data == "pets (resnet)"


def test_hours_at_a_throughput():
    row = CostRow("adaptation.a", "fair", "t", 10, 1, 1, 10, 1, 3.6e18)
    assert row.hours(100) == pytest.approx(10)
    assert ",3600,10," in as_csv([row], 100)
    assert as_text([row], 100).endswith("1 of 1 rows: 3,600.0 petaflop, 10.0 GPU hours at 100 "
                                        "teraflop/s.")  # fmt: skip
    assert as_text([row], None).endswith("petaflop.")


def test_each_image_goes_once_through_each_image_model_beside_the_clip():
    method, tasks = {"kind": "optimal_transport"}, ["t", "same"]
    vision = [{"architecture": "vit_base_patch14_dinov2", "weights": "lvd142m"}]
    source = {"kind": "registry", "name": "dtd"}
    config = {
        "datasets": {"d": {"source": source, "split": {"method": "given"}}},
        "models": {"m": {"architecture": "nicheclip-small-48"}},
        "tasks": {"t": {"dataset": "d"}, "same": {"dataset": "d", "fit": "test"}},
        "adaptation": {
            "alone": {"method": method, "model": "m", "tasks": tasks},
            "joined": {"method": {**method, "vision": vision}, "model": "m", "tasks": tasks},
        },
    }
    cost = CostOfAdaptation(Plan(parse_config(config), REGISTRY))
    found = {(row.entry, row.data.split(" ")[0]): row.operations for row in cost.rows()}
    # 12 blocks of width 768 over 16 * 16 + 1 tokens, and the patches
    forward = 12 * (2 * 257 * 12 * 768**2 + 4 * 257**2 * 768) + 2 * 256 * 3 * 14 * 14 * 768
    for task in tasks:
        size = cost.size(task)
        images = size.judged + (size.fit if task == "t" else 0)
        more = found["adaptation.joined", task] - found["adaptation.alone", task]
        assert more == pytest.approx(images * forward, rel=0.01)
