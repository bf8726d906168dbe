"""What every rule asks a scheduler for: more in a second try, and more for more input."""

import json
import subprocess
import sys

import pytest
import yaml

from workflow_run import ROOT, TINY, environment

CHECKLIST = {"name": "col", "kind": "coldp", "path": "NameUsage.tsv"}
# A training ends in time by itself, and the second try goes on from its checkpoint.
SAME_TIME = {"train_model", "pretrain_backbone", "adapt_model"}
# Their work does not follow from the size of files that they read.
ANY_INPUT = {
    "acquire_part",
    "adapt_model",
    "create_model",
    "ask_captions",
    "pretrain_backbone",
    "train_model",
}
TASK = {"dataset": "fungi", "texts": {"name": "com", "templates": "photo"}}
PRETRAINING = {"dataset": "fungi", "backbone": "test_resnet", "recipe": {"kind": "dino"}}
ALIGNMENT = {"dataset": "fungi", "pretraining": "dino", "model": "tiny"}
ADAPTATION = {"method": {"kind": "upl"}, "model": "tiny", "tasks": ["few"]}


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("resources")
    config = yaml.safe_load(TINY.read_text()) | {"taxonomy": {"providers": [CHECKLIST]}}
    config |= {"tasks": {"few": TASK}, "adaptation": {"upl": ADAPTATION}}
    config |= {"pretraining": {"dino": PRETRAINING}, "alignment": {"aligned": ALIGNMENT}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "NameUsage.tsv").touch()
    script = [sys.executable, ROOT / "tests/rule_resources.py", ROOT / "Snakefile", "config.yaml"]
    done = subprocess.run(
        script, cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_rules_that_go_to_a_scheduler_are_known(asked):
    assert set(asked) >= {
        "read_checklists",
        "curate_dataset",
        "assign_captions",
        "write_shard",
        "encode",
        "judge",
    }
    assert set(asked) >= ANY_INPUT


def test_a_second_try_asks_for_more(asked):
    for rule, tries in asked.items():
        assert tries["second"]["mem_mb"] > tries["first"]["mem_mb"], rule
        if rule not in SAME_TIME:
            assert tries["second"]["runtime"] > tries["first"]["runtime"], rule


def test_more_input_asks_for_more(asked):
    for rule, tries in asked.items():
        if rule not in ANY_INPUT:
            assert tries["larger"]["mem_mb"] > tries["first"]["mem_mb"], rule
            if rule not in ("draw_folds", "draw_task"):  # seconds for any catalog
                assert tries["larger"]["runtime"] > tries["first"]["runtime"], rule


def test_numbers_worked_out_by_hand(asked):
    """1,000 MB of input: 1500 + 2 x 1000 MB, 60 + 0.1 x 1000 minutes; a second try doubles both."""
    assert asked["write_shard"]["first"] == {"mem_mb": 3500, "runtime": 160}
    assert asked["write_shard"]["second"] == {"mem_mb": 7000, "runtime": 320}
