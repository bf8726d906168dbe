"""How the processes of a training run are started, stopped and told apart."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from nicheclip.config.compute import ComputeConfig
from nicheclip.engine import launch, node, ownership
from nicheclip.engine.interruption import EXIT_STATUS, StopRequest
from nicheclip.engine.ownership import Ownership
from nicheclip.engine.task import Task
from nicheclip.runtime.devices import check_gpus
from nicheclip.runtime.errors import InputError


def task(folder, **compute):
    return Task(
        entry="nicheclip.training.run",
        payload={"seed": 0},
        compute=ComputeConfig(**compute),
        data=Path("images"),
        run_folder=folder,
        log=folder / "log",
    )


@pytest.mark.parametrize(
    ("changes", "processes", "cores"),
    [
        ({}, 1, 1),
        ({"gpus": 1, "workers": 3}, 1, 4),
        ({"gpus": 4, "cpu_threads": 2}, 4, 8),
        ({"gpus": 8, "nodes": 2}, 4, 4),
        ({"nodes": 3, "workers": 1}, 1, 2),
    ],
)
def test_processes_and_cores_of_a_node(changes, processes, cores):
    compute = ComputeConfig(**changes)
    assert (compute.node_processes, compute.node_cores) == (processes, cores)


def test_gpus_are_shared_evenly_by_the_nodes():
    with pytest.raises(ValidationError, match="2 nodes cannot share 3 GPUs evenly"):
        ComputeConfig(gpus=3, nodes=2)


@pytest.mark.parametrize(("hours", "seconds"), [(24, 85800), (0.01, 28)])
def test_training_stops_before_the_time_limit(hours, seconds):
    """Ten minutes before 86,400 s; a fifth before 36 s."""
    assert ComputeConfig(hours=hours).stop_after == seconds


def test_the_step_of_a_job():
    options = launch.step_command(ComputeConfig(gpus=8, nodes=2))
    assert options[0] == "srun" and "--overlap" in options
    assert {"--nodes=2", "--ntasks=2", "--ntasks-per-node=1", "--gres=gpu:4"} <= set(options)
    assert not any("gpu" in option for option in launch.step_command(ComputeConfig()))


def test_a_new_step_forgets_the_shape_of_the_one_around_it():
    own = {
        "PATH": "/bin",
        "SLURM_JOB_ID": "7",
        "SLURM_NTASKS": "1",
        "SLURM_NODEID": "0",
        "SRUN_CPUS_PER_TASK": "3",
        "SBATCH_EXPORT": "NONE",
    }
    made = launch.launch_environment(own)
    assert 0 < int(made.pop("MASTER_PORT")) < 65536
    assert made == {"PATH": "/bin", "SLURM_JOB_ID": "7"}


def test_the_ranks_of_the_second_of_two_nodes(tmp_path):
    own = {"SLURM_NODEID": "1", "SLURM_LAUNCH_NODE_IPADDR": "10.0.0.1", "MASTER_PORT": "29000"}
    ranks = node.rank_environments(task(tmp_path, gpus=4, nodes=2, cpu_threads=3), own)
    names = ("RANK", "LOCAL_RANK", "GROUP_RANK", "WORLD_SIZE", "MASTER_ADDR", "OMP_NUM_THREADS")
    assert [[rank[name] for name in names] for rank in ranks] == [
        ["2", "0", "1", "4", "10.0.0.1", "3"],
        ["3", "1", "1", "4", "10.0.0.1", "3"],
    ]
    assert all(rank["MASTER_PORT"] == "29000" for rank in ranks)


def test_the_ranks_of_one_node_meet_on_it(tmp_path):
    ranks = node.rank_environments(task(tmp_path, gpus=2), {"SLURM_NODEID": "5"})
    assert [(rank["RANK"], rank["MASTER_ADDR"]) for rank in ranks] == [
        ("0", "127.0.0.1"),
        ("1", "127.0.0.1"),
    ]


def ranks(body, count=2):
    command = [
        sys.executable,
        "-c",
        f"import os, sys, time, signal; rank = os.environ['R']\n{body}",
    ]
    return node._run(command, [os.environ | {"R": str(rank)} for rank in range(count)])


def test_a_failed_rank_ends_the_others(monkeypatch):
    monkeypatch.setattr(node, "SECONDS_AFTER_THE_FIRST", 0.1)
    assert ranks("sys.exit(3) if rank == '1' else time.sleep(600)") == 3
    assert ranks("pass") == 0
    assert ranks("os.kill(os.getpid(), signal.SIGKILL)") == -signal.SIGKILL


def test_a_signal_reaches_every_rank(tmp_path):
    waiting = (
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))\n"
        f"open({str(tmp_path)!r} + '/' + rank, 'w').close()\n"
        "time.sleep(600)"
    )

    def send():
        while len(list(tmp_path.iterdir())) < 2:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)

    sender = threading.Thread(target=send)
    sender.start()
    assert ranks(waiting) == EXIT_STATUS
    sender.join()


def test_a_signal_while_ranks_start_reaches_those_that_start_later(monkeypatch):
    started = subprocess.Popen

    def signalled(*arguments, **options):
        if os.getpid() == parent and not sent:
            sent.append(os.kill(parent, signal.SIGTERM))
        return started(*arguments, **options)

    parent, sent = os.getpid(), []
    monkeypatch.setattr(node.subprocess, "Popen", signalled)
    # They have no handler yet, and end of it: nothing is lost, the same command goes on.
    assert ranks("time.sleep(600)") == EXIT_STATUS


def test_several_nodes_need_a_job(tmp_path, monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with pytest.raises(InputError, match="2 nodes asked for, but this is no SLURM job"):
        launch.launch(task(tmp_path, nodes=2))


def test_a_task_is_read_as_it_was_written(tmp_path):
    written = task(tmp_path, nodes=2, hours=0.5)
    assert Task.read(written.write()) == written


def test_the_time_limit_stops_training():
    with StopRequest(stop_at=time.time() + 600) as stop:
        assert stop.reason() is None
    with StopRequest(stop_at=time.time()) as stop:
        assert stop.reason() == "the time limit is near"


def test_a_run_belongs_to_the_process_that_came_last(tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(ownership, "SECONDS_BETWEEN_LOOKS", 0)
    first, second = Ownership(tmp_path), []
    assert not first.lost()
    newer = threading.Thread(target=lambda: second.append(Ownership(tmp_path)))
    newer.start()
    while "waiting until it has stopped" not in caplog.text:
        time.sleep(0.01)
    assert first.lost()
    assert not second, "it waits until the first has stopped"
    first.release()
    newer.join()
    assert not second[0].lost()
    second[0].release()


@pytest.mark.parametrize(
    ("found", "in_job", "fits"),
    [(2, True, True), (1, True, False), (4, True, False), (4, False, True), (0, False, False)],
)
def test_a_job_sees_the_gpus_that_it_asked_for(monkeypatch, found, in_job, fits):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: found)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    if in_job:
        monkeypatch.setenv("SLURM_JOB_ID", "7")
    if fits:
        check_gpus(2)
    else:
        with pytest.raises(InputError, match=f"2 GPUs asked for, {found} found on this node"):
            check_gpus(2)


def test_a_job_without_gpus_may_see_any(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    check_gpus(0)
