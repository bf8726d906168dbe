"""Two processes adapt as one does: what methods gather, remember and decide is of all images."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from nicheclip.models.deltas import DELTA_FILE
from nicheclip.models.openclip import load
from small_trained import Task, classifier

TESTS = Path(__file__).parents[2]
#: those with terms of the whole batch, or with a memory
METHODS = {
    "pouf": {"learn_logit_scale": True},
    "reclip": {"neighbours": 3},
    "dpa": {"optimizer": {"lr": 1e-3, "eps": 1e-3}},
    "must": {"optimizer": {"lr": 1e-3, "eps": 1e-3}, "threshold": 0.4},
}


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    return Task(tmp_path_factory.mktemp("task"))


@pytest.mark.parametrize("kind", METHODS)
def test_two_processes_adapt_like_one(task, tmp_path, kind):
    one, two = tmp_path / "one", tmp_path / "two"
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([*sys.path, str(TESTS)]),
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(30000 + os.getpid() % 1000),
    }
    arguments = [str(task.folder), str(two), kind, json.dumps(METHODS[kind])]
    program = [sys.executable, str(TESTS / "trained_process.py"), *arguments]
    ranks = [
        subprocess.Popen(program, env=environment | {"RANK": r, "LOCAL_RANK": "0", "GROUP_RANK": r})
        for r in "01"
    ]
    task.fit(one, kind, **METHODS[kind])
    assert [rank.wait(timeout=300) for rank in ranks] == [0, 0]
    found, expected = (classifier(folder) for folder in (two, one))
    torch.testing.assert_close(
        torch.tensor(found.anchors), torch.tensor(expected.anchors), rtol=0, atol=1e-4
    )
    assert found.logit_scale == pytest.approx(expected.logit_scale)
    assert (two / "out" / DELTA_FILE).is_file()
    ours, theirs = (load(folder / "out").tensors() for folder in (one, two))
    for name, tensor in ours.items():
        torch.testing.assert_close(theirs[name], tensor, rtol=0, atol=1e-4)
