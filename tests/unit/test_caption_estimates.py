"""The estimate of a dry run, by hand."""

from pathlib import Path

import yaml

from nicheclip.captions.prompts import Prompt, load
from nicheclip.config.workflow import parse_config
from nicheclip.plan.caption_estimates import estimates
from nicheclip.plan.plan import Plan

ROOT = Path(__file__).parents[2]
REGISTRY = ROOT / "workflow/registry"


def plan(per="image", **backend):
    values = yaml.safe_load((ROOT / "tests/configs/tiny.yaml").read_text())
    backend = {
        "kind": "openai",
        "model": "m",
        "prompt": "alive",
        "host": "http://localhost:8000/v1",
        "variables": {"context": "farms"},
        **backend,
    }
    sets = {"dataset": "fungi", "backend": backend, "per": per, "samples": 4, "parts": 2}
    return Plan(parse_config(values | {"captions": values["captions"] | {"alive": sets}}), REGISTRY)


def test_requests_tokens_hours_and_money(tmp_path):
    made = plan(
        concurrency=8,
        prices={"input": 2.0, "output": 8.0},
        expected={"targets": 600_000, "seconds": 2.0, "input_tokens": 300, "output_tokens": 100},
    )
    # four captions in one reply; 600,000 x 2 s / (8 x 2) = 75,000 s; 180 x 2 + 60 x 8 of money
    assert estimates(made, tmp_path) == [
        "captions.alive: 600,000 requests for 600,000 images; about 180,000,000 tokens of prompts, "
        "60,000,000 of replies; 20.8 hours at 2 s each, 2 part(s); 840.00 of money"
    ]


def test_what_is_not_given_is_bounded_or_left_out(tmp_path):
    (question,) = load(REGISTRY / "prompts", "alive", Prompt).questions
    tokens = len(question) // 4 + 1
    made = plan(per="class", expected={"targets": 10})
    assert estimates(made, tmp_path) == [
        f"captions.alive: 10 requests for 10 classes; about {10 * tokens:,} tokens of prompts, at "
        "most 1,200 of replies"
    ]
    assert "cannot be counted before the data set" in estimates(plan(per="class"), tmp_path)[0]


def test_the_paper_s_images_before_any_of_them_is_there(tmp_path):
    """AgriCLIP's own config: about 600,000 images, four variants each."""
    values = yaml.safe_load((ROOT / "workflow/config/agriclip.yaml").read_text())
    lines = estimates(Plan(parse_config(values), REGISTRY), tmp_path)
    assert [line for line in lines if line.startswith("captions.published")] == [
        "captions.published: 600,000 requests for 600,000 images; about 54,000,000 tokens of "
        "prompts, at most 180,000,000 of replies"
    ]


def test_drawn_fungi_are_counted_before_they_are_drawn(tmp_path):
    values = yaml.safe_load((ROOT / "workflow/config/fungalzsl.yaml").read_text())
    made = Plan(parse_config(values), REGISTRY)
    assert made.expected_images("fungi") == {"train": 4800, "val": 600, "test": 600}
    source = made.config.datasets["fungi"].source
    world = source.world.model_copy(update={"images_per_class": {"train": 2, "val": 0}})
    assert source.model_copy(update={"world": world}).expected_images(REGISTRY) == {"train": 6}
    assert estimates(made, tmp_path) == [
        "captions.llama: 6,000 requests for 3 classes; about 228,000 tokens of prompts, at most "
        "720,000 of replies"
    ]
