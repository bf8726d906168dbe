"""What trainings cost before they run."""

from pathlib import Path

import pytest
import yaml

from cost_data import COST_DATA
from image_sets import write_images
from nicheclip.config.workflow import parse_config
from nicheclip.cost.config import cost_of
from nicheclip.cost.rows import as_csv
from nicheclip.cost.towers import towers_of
from nicheclip.cost.training import CostOfTraining
from nicheclip.plan.plan import Plan

ROOT = Path(__file__).parents[2]
REGISTRY = ROOT / "workflow/registry"
#: of ViT-B/32 and its text tower, forward
IMAGE, TEXT = (getattr(towers_of("ViT-B-32", REGISTRY / "models"), k) for k in ("image", "text"))

CONFIG = COST_DATA | yaml.safe_load("""
training:
  plain: &run
    dataset: satellite
    model: clip
    recipe: {kind: contrastive}
    texts: {types: {com: 1}}
    epochs: 4
    batch_size: 1000
    seeds: [0, 1]
  checkpointed: {<<: *run, gradient_checkpointing: true, accumulation: 2, seeds: [0]}
  longer: {<<: *run, min_steps: 100}
  classes: {<<: *run, recipe: {kind: classification}, seeds: [0]}
  folder: {<<: *run, dataset: mine}
  resnet: {<<: *run, model: resnet}
""")


@pytest.fixture
def rows(tmp_path):
    plan = Plan(parse_config(CONFIG), REGISTRY)
    return {row.entry.split(".")[1]: row for row in CostOfTraining(plan, tmp_path).rows()}


def test_a_step_costs_three_forward_passes_of_both_towers(rows):
    """27,000 images, seven tenths of which train: 18,900 in nineteen batches."""
    row = rows["plain"]
    assert (row.images, row.epochs, row.seeds) == (18_900, 4, 2)
    assert row.note == "76 steps of 1,000"
    assert row.operations == pytest.approx(2 * 4 * 18_900 * 3 * (IMAGE + TEXT))


def test_memory_that_is_saved_costs_forward_passes(rows):
    assert rows["checkpointed"].forward == 3
    assert rows["checkpointed"].operations == pytest.approx(4 * 18_900 * 5 * (IMAGE + TEXT))


def test_a_small_set_trains_for_more_epochs(rows):
    """A hundred steps are six epochs of nineteen."""
    assert (rows["longer"].epochs, rows["longer"].note) == (6, "114 steps of 1,000")


def test_classifiers_read_no_texts(rows):
    assert rows["classes"].operations == pytest.approx(4 * 18_900 * 3 * IMAGE)


def test_what_nobody_knows_yet_is_not_guessed(rows):
    assert rows["folder"].images is None and rows["folder"].operations is None
    assert "counted when the data set is acquired" in rows["folder"].note
    assert rows["resnet"].images == 18_900 and rows["resnet"].operations is None
    assert "vision transformers" in rows["resnet"].note


def test_acquired_images_count_as_they_are(tmp_path):
    images = [
        {"image_id": f"{i:016x}", "class_id": "a", "split": "train", "tar": 0, "jpg": b"x"}
        for i in range(5)
    ]
    write_images(tmp_path / "acquire/mine", images)
    found = CostOfTraining(Plan(parse_config(CONFIG), REGISTRY), tmp_path)
    assert (found.images("mine"), found.images("satellite")) == (5, 18_900)


def test_the_papers_run_is_in_the_table():
    out = as_csv(cost_of(ROOT / "workflow/config/bioclip.yaml", REGISTRY), None)
    assert "training.bioclip,contrastive,tol-10m (clip),9562297,100,1,2,1," in out
