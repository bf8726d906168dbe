"""A job's GPUs are those that it asked for."""

import pytest
import torch

from nicheclip.models.devices import check_gpus
from nicheclip.runtime.errors import InputError
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


def test_every_script_that_may_use_a_gpu_counts_them():
    scripts = {file.name: file.read_text() for file in (ROOT / "scripts").glob("*.py")}
    users = {name for name, text in scripts.items() if '"cuda"' in text}
    assert users >= {"encode.py"}
    assert {
        name for name in users if "check_gpus(snakemake.params.gpu)" not in scripts[name]
    } == set()
