"""What jobs ask for: memory and time by input and attempt, caches, what no partition gives."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from nicheclip.config.compute import ComputeConfig
from nicheclip.config.data import ImageConfig
from nicheclip.plan.resources import (
    LARGEST,
    acquire_memory,
    largest_request,
    memory,
    minutes,
    training_memory,
)
from nicheclip.runtime.caches import cache_folders
from nicheclip.runtime.driver_lock import take_over
from nicheclip.slurm.jobs import impossible_requests


def test_resources_grow_with_input_and_attempt():
    asked = SimpleNamespace(size_mb=1000)
    assert memory(1500, 2)(None, asked, 1) == 3500
    assert memory(1500, 2)(None, asked, 3) == 14_000
    assert minutes(60, 0.0011)(None, asked, 1) == 62


def test_further_attempts_ask_for_no_more_than_the_largest_partition_gives(monkeypatch):
    asked = SimpleNamespace(size_mb=0)
    partitions = [{"max_mem_mb": 16_000, "max_runtime": 100}, {"max_mem_mb": 9_000}]
    monkeypatch.setattr(LARGEST, "mem_mb", largest_request(partitions, "mem_mb"))
    monkeypatch.setattr(LARGEST, "runtime", largest_request(partitions, "runtime"))
    tries = (1, 2, 3)
    assert [memory(6_000)(None, asked, n) for n in tries] == [6_000, 12_000, 16_000]
    assert [minutes(60)(None, asked, n) for n in tries] == [60, 120, 240]
    # one that no partition takes is refused before anything runs, with these numbers
    assert [memory(20_000)(None, asked, n) for n in tries] == [20_000] * 3


def test_the_memory_of_acquiring_grows_with_the_largest_image():
    assert acquire_memory(ImageConfig(), 1) == 2000
    assert acquire_memory(ImageConfig(max_pixels=200_000_000), 2) == 6000


def test_the_memory_of_a_training(tmp_path):
    """Two processes on each node, of 4000 + 8 x 3 + 500 x 3 MB each."""
    compute = ComputeConfig(gpus=4, nodes=2, workers=3)
    (tmp_path / "config").write_bytes(bytes(2**20))
    (tmp_path / "weights").write_bytes(bytes(2 * 2**20))
    start = [str(tmp_path / name) for name in ("config", "weights", "not-made-yet")]
    assert training_memory(compute, start, 1) == 2 * 5524
    assert training_memory(compute, start, 2) == 4 * 5524
    assert training_memory(compute, start, 1, kept=3) == 2 * (5524 + 3 * 3)


def test_caches_lie_in_the_working_folder_unless_the_user_says_otherwise():
    found = cache_folders({"TORCH_HOME": "/t"}, Path("/w"), Path("/home/u"))
    assert found == {
        "XDG_CACHE_HOME": "/w/.cache",
        "HF_HOME": "/w/.cache/huggingface",
        "HF_TOKEN_PATH": "/home/u/.cache/huggingface/token",
        "TORCH_HOME": "/t",
        "MPLCONFIGDIR": "/w/.cache/matplotlib",
    }
    chosen = cache_folders({"XDG_CACHE_HOME": "/x", "HF_HOME": "/h"}, Path("/w"), Path("/home/u"))
    assert (chosen["HF_HOME"], chosen["HF_TOKEN_PATH"]) == ("/h", "/h/token")
    assert chosen["MPLCONFIGDIR"] == "/x/matplotlib"


@pytest.mark.parametrize(("before", "left"), [("local", 0), ("slurm", 0), ("cluster", 1), ("", 1)])
def test_lock_files_of_a_killed_driver_are_removed_where_no_job_can_be_left(tmp_path, before, left):
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks/0.input.lock").touch()
    (tmp_path / "driver.lock").write_text(before)
    take_over("local", tmp_path)
    assert len(list((tmp_path / "locks").glob("*.lock"))) == left
    assert (tmp_path / "driver.lock").read_text() == (before if left else "local")


def test_requests_that_no_partition_takes_are_named_by_rule():
    limits = {"cpu": {"max_mem_mb": 1000, "max_gpu": 0}, "gpu": {"max_mem_mb": 500}}
    requests = [
        ("small", {"mem_mb": 900, "threads": 1}),
        ("large", {"mem_mb": 2000, "mpi": "srun"}),
        ("large", {"mem_mb": 3000}),
        ("named", {"mem_mb": 900, "slurm_partition": "gpu"}),
    ]
    found = impossible_requests(requests, limits)
    assert list(found) == ["large", "named"]
    assert found["named"] == ["mem_mb 900 is above max_mem_mb 500 of gpu"]
    assert len(found["large"]) == 2  # of its first job: a line for each partition
