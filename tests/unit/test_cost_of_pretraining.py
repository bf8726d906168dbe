"""What self-supervision and alignment cost before they run."""

import pytest
import yaml

from cost_data import COST_DATA
from nicheclip.config.workflow import parse_config
from nicheclip.cost.config import cost_of
from nicheclip.cost.pretraining import CostOfPretraining
from nicheclip.cost.rows import as_csv
from nicheclip.cost.towers import towers_of
from nicheclip.cost.training import CostOfTraining
from nicheclip.models.operations import backbone_operations
from nicheclip.plan.plan import Plan
from small_tables import REGISTRY, ROOT

CONFIG = COST_DATA | yaml.safe_load("""
pretraining:
  dino: &dino
    dataset: satellite
    backbone: test_resnet
    size: 64
    recipe:
      {kind: dino, crops: {local_crops: 3, local_size: 32}, hidden: 20, bottleneck: 10, outputs: 30}
    epochs: 2
    batch_size: 1000
    seeds: [0, 1]
  longer: {<<: *dino, min_steps: 100}
  folder: {<<: *dino, dataset: mine}
alignment:
  plain: {dataset: satellite, pretraining: dino, model: clip}
  given: {dataset: satellite, backbone: {architecture: resnet50, weights: a1_in1k}, model: clip}
  resnet: {dataset: satellite, pretraining: dino, model: resnet}
""")
IMAGES = 18_900  # seven tenths of 27,000


@pytest.fixture
def rows(tmp_path):
    trainings = CostOfTraining(Plan(parse_config(CONFIG), REGISTRY), tmp_path)
    return {row.entry: row for row in CostOfPretraining(trainings).rows()}


@pytest.mark.parametrize(
    ("architecture", "size", "billions"),
    [("resnet50", 224, 8.174), ("vit_base_patch16_224", 224, 35.13)],
)
def test_operations_of_known_backbones(architecture, size, billions):
    """The transformer's are those of CLIP's ViT-B/16, which open_clip has in its profile."""
    found = backbone_operations(architecture, size)
    assert found.forward / 1e9 == pytest.approx(billions, abs=0.01)
    assert found.features == {"resnet50": 2048, "vit_base_patch16_224": 768}[architecture]


def test_a_student_goes_over_all_crops_and_a_teacher_over_two(rows):
    whole, part = (backbone_operations("test_resnet", size) for size in (64, 32))
    head = 2 * (whole.features * 20 + 20 * 20 + 20 * 10 + 10 * 30)
    student = 2 * (whole.forward + head) + 3 * (part.forward + head)
    teacher = 2 * (whole.forward + head)
    row = rows["pretraining.dino"]
    assert (row.images, row.epochs, row.seeds, row.forward, row.backward) == (IMAGES, 2, 2, 7, 5)
    assert row.operations == pytest.approx(2 * 2 * IMAGES * (3 * student + teacher))
    assert row.note == "38 steps of 1,000"
    assert (rows["pretraining.longer"].epochs, rows["pretraining.folder"].operations) == (6, None)


def test_an_alignment_encodes_each_image_by_both(rows):
    tower = towers_of("ViT-B-32", REGISTRY / "models").image
    for name, backbone, size in (("plain", "test_resnet", 64), ("given", "resnet50", 224)):
        each = backbone_operations(backbone, size).forward + tower
        assert rows[f"alignment.{name}"].operations == pytest.approx(IMAGES * each)
    assert rows["alignment.resnet"].operations is None
    assert "vision transformers" in rows["alignment.resnet"].note


def test_the_papers_run_is_in_the_table():
    out = as_csv(cost_of(ROOT / "workflow/config/agriclip.yaml", REGISTRY), None)
    assert "pretraining.dino-alive,dino,alive (resnet50),594000,100,1,12,10," in out
    assert 'alignment.agriclip-fused,ridge,"alive (resnet50, clip)",594000,1,1,2,0,' in out
