"""`workflow/config/own.yaml` as a stranger uses it: two lines changed, no GPU, no network."""

import re

import numpy as np
import pytest
import yaml
from PIL import Image

from nicheclip.config.workflow import parse_config
from own_config import OWN, own_config
from workflow_run import snakemake


def test_two_lines_rename_everything():
    config = parse_config(yaml.safe_load(own_config("moths", "/data/moths")))
    assert config.datasets["moths"].source.path == "/data/moths"
    assert list(config.datasets) == list(config.training) == list(config.evaluation) == ["moths"]
    assert config.training["moths"].dataset == config.evaluation["moths"].dataset == "moths"


def test_it_asks_for_no_gpu_and_no_weights():
    config = parse_config(yaml.safe_load(OWN))
    assert config.encoding.gpu == 0
    assert [run.compute.gpus for run in config.training.values()] == [0]
    assert [model.pretrained for model in config.models.values()] == [None]


@pytest.mark.parametrize(
    ("images", "epochs", "steps"),
    # 28 of 40 train: one batch an epoch; 28,000 of 40,000: 875 batches
    [(28, 300, 300), (28_000, 10, 8750)],
)
def test_the_length_and_the_warm_up_follow_the_size(images, epochs, steps):
    (run,) = parse_config(yaml.safe_load(OWN)).training.values()
    batches = -(-images // run.batch_size)
    assert max(run.epochs, -(-run.min_steps // batches)) == epochs and epochs * batches == steps
    assert run.schedule.warmup(steps) == steps // 10


@pytest.mark.slow
def test_forty_images_run_to_the_report(tmp_path):
    colours = {"ant": (200, 40, 40), "bee": (40, 200, 40), "cat": (40, 40, 200), "dog": (90, 90, 0)}
    for label, colour in colours.items():
        (tmp_path / "images" / label).mkdir(parents=True)
        for number in range(10):
            noise = np.random.default_rng(number).integers(-30, 30, (40, 48, 3))
            pixels = np.clip(np.asarray(colour) + noise, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / f"images/{label}/{number}.png")
    text = own_config("things", tmp_path / "images")
    short, count = re.subn("min_steps: 300 ", "min_steps: 12 ", text)
    assert count == 1
    (tmp_path / "my.yaml").write_text(short)
    snakemake(tmp_path, "--cores", 1, "results/report.html", config=tmp_path / "my.yaml")
    assert "Evaluation things" in (tmp_path / "results/report.html").read_text()
    assert (tmp_path / "results/models/trained/things/seed0/history.csv").is_file()
    pictures = tmp_path / "results/predictions/things/things/things-seed0.html"
    assert pictures.read_text().count("data:image/jpeg;base64,") == 8  # two of ten of each class
