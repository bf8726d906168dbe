"""A job's GPUs are those that it asked for."""

import ast

import pytest
import torch

from nicheclip.runtime.devices import check_gpus
from nicheclip.runtime.errors import InputError
from workflow_rules import workflow_rules
from workflow_run import ROOT


@pytest.fixture
def four_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)


def test_too_few_are_an_error_that_says_what_to_do(four_gpus):
    with pytest.raises(InputError, match=r"5 GPUs asked for, 4 found .*=0,1,2,3.*gres\.conf"):
        check_gpus(5)


def test_a_workstation_may_have_more(four_gpus):
    check_gpus(1)


def test_a_slurm_job_sees_no_more_than_its_own(four_gpus, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    check_gpus(4)
    with pytest.raises(InputError, match="1 GPUs asked for, 4 found"):
        check_gpus(1)


def test_a_job_on_the_cpu_may_see_gpus(four_gpus, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    check_gpus(0)


def calls(file):
    """Names of the functions that a script calls."""
    found = (n.func for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.Call))
    return {function.id for function in found if isinstance(function, ast.Name)}


@pytest.mark.parametrize(
    "rule", [name for name, rule in workflow_rules().items() if "gpu" in rule["resources"]]
)
def test_a_rule_that_asks_for_gpus_counts_them(rule):
    """Its script, or for training each of its processes; a captioning job's server does its own."""
    script = ROOT / "scripts" / workflow_rules()[rule]["script"]
    counted = {
        "adapt_model": script,
        "align": script,
        "encode": script,
        "pretrain_backbone": ROOT / "src/nicheclip/engine/processes.py",
        "train_model": ROOT / "src/nicheclip/engine/processes.py",
        "ask_captions": None,
    }[rule]
    assert counted is None or "check_gpus" in calls(counted)
