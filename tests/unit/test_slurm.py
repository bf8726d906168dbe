"""SLURM's answers read, requests compared with limits, and the driver's marks and commands."""

import io
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from unittest.mock import Mock

import pytest

from nicheclip.runtime import driver_watch, locks
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.locks import lock
from nicheclip.slurm import client as slurm_client
from nicheclip.slurm import driver as slurm_driver
from nicheclip.slurm.jobs import (
    Job,
    above_limits,
    ended_by_slurm,
    is_hopeless,
    parse_jobs,
    value_of,
    with_own_comment,
    worth_waiting,
)


def test_jobs_of_squeue_and_sacct_are_read_alike():
    squeue = "12|RUNNING|rule_a\n13_[1-3]|PENDING|rule_b\n\n"
    assert parse_jobs(squeue) == [
        Job("12", "RUNNING", "rule_a"),
        Job("13_[1-3]", "PENDING", "rule_b"),
    ]
    assert parse_jobs("14|CANCELLED by 1000\n15|CANCELLED+\nnonsense\n") == [
        Job("14", "CANCELLED"),
        Job("15", "CANCELLED"),
    ]


def test_option_values_in_both_spellings():
    assert value_of("--name", ["-X", "--name", "run"]) == "run"
    assert value_of("--name", ["--name=a=b"]) == "a=b"
    assert value_of("--name", ["--names", "x", "--name"]) == ""


def test_comments_are_made_their_own():
    assert with_own_comment(["--comment", "rule_a", "-p"], "1") == ["--comment", "rule_a#1", "-p"]
    assert with_own_comment(["--comment=group_a"], "1") == ["--comment=group_a#1"]
    assert with_own_comment(["-p", "cpu"], "1") == ["-p", "cpu"]


@pytest.mark.parametrize(
    ("refusal", "waits"),
    [
        ("Unable to contact slurm controller (connect failure)", True),
        ("Socket timed out on send/recv operation", True),
        ("sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission", True),
        ("sbatch: error: AssocMaxSubmitJobLimit", True),
        ("sbatch: error: QOSGrpSubmitJobsLimit", True),
        ("sbatch: error: Slurm job queue full, sleeping and retrying", True),
        ("sbatch: error: Batch job submission failed: Communication connection failure", True),
        ("Requested node configuration is not available", False),
        ("sbatch: error: QOSMaxCpuPerJobLimit", False),
        ("invalid partition specified: gpux", False),
    ],
)
def test_which_refusals_are_worth_a_wait(refusal, waits):
    assert worth_waiting(refusal) is waits


@pytest.mark.parametrize(
    ("state", "reason", "hopeless"),
    [
        ("PENDING", "Resources", False),
        ("PENDING", "Priority", False),
        ("PENDING", "QOSMaxCpuPerUserLimit", False),  # until the user's other jobs have ended
        ("PENDING", "QOSMaxCpuPerJobLimit", True),
        ("PENDING", "AssocMaxWallDurationPerJobLimit", True),
        ("PENDING", "PartitionTimeLimit", True),
        ("PENDING", "launch failed requeued held", True),
        ("RUNNING", "PartitionTimeLimit", False),
    ],
)
def test_which_jobs_would_wait_for_ever(state, reason, hopeless):
    assert is_hopeless(Job("1", state, reason)) is hopeless


def test_what_slurm_ended_is_told_from_a_failure():
    assert ended_by_slurm("TIMEOUT", "") == "TIMEOUT"
    assert ended_by_slurm("FAILED", "error: Detected 1 oom-kill event(s)") == "OUT_OF_MEMORY"
    assert ended_by_slurm("FAILED", "Exceeded job memory limit") == "OUT_OF_MEMORY"
    assert ended_by_slurm("FAILED", "KeyError: 'oom'") == ""
    assert ended_by_slurm("COMPLETED", "oom-kill") == ""


def test_a_request_is_above_limits_only_if_no_partition_takes_it():
    partitions = {
        "cpu": {"max_mem_mb": 1000, "max_gpu": 0},
        "gpu": {"max_mem_mb": 800, "max_gpu": 2},
    }
    assert above_limits({"mem_mb": 1000, "runtime": 10**6}, partitions) == []
    assert above_limits({"mem_mb": 900, "gpu": 1}, partitions) == [
        "gpu 1 is above max_gpu 0 of cpu",
        "mem_mb 900 is above max_mem_mb 800 of gpu",
    ]
    assert above_limits({"mem_mb": 10**9}, {}) == []


def test_a_required_lock_on_a_file_system_without_locks_is_an_error(tmp_path, monkeypatch):
    def without(descriptor, kind):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(locks.fcntl, "flock", without)
    os.close(lock(tmp_path / "a", wait=False))
    with pytest.raises(InputError, match="no locks on this file system"):
        lock(tmp_path / "a", wait=False, required=True)


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """Programs of SLURM that do what a test says, first in PATH."""
    (tmp_path / "bin").mkdir()
    path = f"{slurm_client.WRAPPERS}{os.pathsep}{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    monkeypatch.setenv("PATH", path)

    def write(**scripts):
        for name, script in scripts.items():
            file = tmp_path / "bin" / name
            file.write_text(f"#!/bin/sh\ncd {tmp_path}\n{script}\n")
            file.chmod(0o755)

    return write


class TestDriver:
    def test_a_second_one_is_told_of_the_first(self, tmp_path):
        held = slurm_driver.hold(tmp_path)
        assert slurm_driver.is_held(tmp_path)
        with pytest.raises(InputError, match=f"another driver .*process {os.getpid()} on"):
            slurm_driver.hold(tmp_path)
        os.close(held)
        assert not slurm_driver.is_held(tmp_path)

    def test_jobs_left_are_named_with_both_commands(self, tmp_path, commands):
        commands(squeue="echo '7|RUNNING|rule_a#12ab'")
        (tmp_path / "run").write_text("r-1")
        with pytest.raises(InputError, match=r"7 \(rule_a, RUNNING\)") as refusal:
            slurm_driver.ensure_no_jobs_of_a_dead_driver(tmp_path)
        assert "squeue --name r-1" in str(refusal.value)
        assert "scancel --name r-1" in str(refusal.value)
        assert slurm_driver.last_run(tmp_path) == "r-1"

    def test_jobs_that_are_ending_are_waited_for(self, tmp_path, commands):
        commands(squeue="test -e asked || echo '7|COMPLETING|rule_a'; touch asked")
        (tmp_path / "run").write_text("r-1")
        slurm_driver.ensure_no_jobs_of_a_dead_driver(tmp_path)
        assert (tmp_path / "asked").exists()
        assert slurm_driver.last_run(tmp_path) == ""

    def test_jobs_left_are_waited_for_where_the_driver_is_told_to(
        self, tmp_path, commands, monkeypatch, capsys
    ):
        commands(squeue="echo x >> asked; test $(wc -l < asked) -gt 3 || echo '7|RUNNING|rule_a'")
        (tmp_path / "run").write_text("r-1")
        monkeypatch.setattr(slurm_driver, "PAUSE", 0.01)
        monkeypatch.setenv("NICHECLIP_JOBS_LEFT", "wait")
        slurm_driver.ensure_no_jobs_of_a_dead_driver(tmp_path)
        assert (tmp_path / "asked").read_text().split() == ["x"] * 4
        assert slurm_driver.last_run(tmp_path) == ""
        assert capsys.readouterr().err.count("7 (rule_a, RUNNING)\nTo cancel them: scancel") == 1

    def test_a_misspelt_choice_is_told(self, tmp_path, monkeypatch):
        monkeypatch.setenv("NICHECLIP_JOBS_LEFT", "yes")
        with pytest.raises(InputError, match="NICHECLIP_JOBS_LEFT=yes: refuse or wait"):
            slurm_driver.ensure_no_jobs_of_a_dead_driver(tmp_path)

    def test_without_an_answer_it_does_not_guess(self, tmp_path, commands):
        commands(squeue="echo away >&2; exit 1")
        (tmp_path / "run").write_text("r-1")
        with pytest.raises(InputError, match="away"):
            slurm_driver.ensure_no_jobs_of_a_dead_driver(tmp_path)
        slurm_driver.leave_no_jobs(tmp_path)
        assert slurm_driver.last_run(tmp_path) == "r-1"

    def test_a_submission_under_way_is_waited_for(self, tmp_path, commands):
        commands(squeue="true")
        (tmp_path / "run").write_text("r-1")
        held = lock(tmp_path / "submitting", wait=True, shared=True)
        asks = threading.Thread(
            target=slurm_driver.ensure_no_jobs_of_a_dead_driver, args=[tmp_path]
        )
        asks.start()
        asks.join(0.3)
        assert asks.is_alive()
        os.close(held)
        asks.join(60)
        assert slurm_driver.last_run(tmp_path) == ""

    @pytest.mark.parametrize("chosen", [1, 2])
    def test_arrays_hold_what_is_chosen_of_more_that_is_ready(self, monkeypatch, chosen):
        plugin = pytest.importorskip("snakemake_executor_plugin_slurm")
        monkeypatch.setattr(plugin, "pending_jobs_for_rule", lambda dag, rule: 5, raising=False)
        executor = plugin.Executor.__new__(plugin.Executor)
        ready = [Mock(**{"is_group.return_value": False}) for _ in range(chosen)]
        for job in ready:
            job.rule.name = "a"
        sent = []
        settings = {"array_jobs": {"all"}, "max_array_size": 1000, "logger": Mock()}
        settings |= {"workflow": Mock(), "_main_event_loop": Mock()}
        settings |= {"_submit_job": sent.append, "_submit_array_jobs": sent.extend}
        vars(executor).update(settings)
        slurm_driver.send_what_is_ready(plugin)
        executor.run_jobs(ready)
        assert sent == ready

    def test_an_interrupt_is_noted_and_passed_on(self, tmp_path, monkeypatch):
        before = signal.getsignal(signal.SIGINT)
        try:
            slurm_driver.note_interrupts(tmp_path)
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
        finally:
            signal.signal(signal.SIGINT, before)
        assert (tmp_path / "interrupted").exists()

    def test_a_process_that_has_ended_has_no_identity(self):
        ended = subprocess.Popen(["true"])
        deadline = time.monotonic() + 10
        while driver_watch.identity(ended.pid):
            assert time.monotonic() < deadline
        ended.wait()
        assert driver_watch.identity(ended.pid) == ""
        assert driver_watch.identity(os.getpid()).startswith(f"{os.getpid()} ")

    def test_lost_jobs_are_cancelled_at_the_end(self, tmp_path, commands):
        commands(squeue="echo '7|RUNNING|rule_a'", scancel="echo $* > cancelled")
        (tmp_path / "run").write_text("r-1")
        slurm_driver.leave_no_jobs(tmp_path)
        assert (tmp_path / "cancelled").read_text() == "--name r-1\n"


def wrapper(name, *arguments, **variables):
    """The driver's command as the plugin starts it."""
    return subprocess.run(
        [slurm_client.WRAPPERS / name, *arguments],
        env={**os.environ, "NICHECLIP_PYTHON": sys.executable, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


SUBMIT = ("--parsable", "--job-name", "r-1", "--comment", "rule_a")
AWAY = "echo Unable to contact slurm controller >&2; exit 1"


class TestCommands:
    def test_a_submission_notes_the_run_first(self, tmp_path, commands):
        commands(sbatch="cat run >&2; echo 42")
        done = wrapper("sbatch", *SUBMIT, NICHECLIP_DRIVER_FOLDER=str(tmp_path))
        assert (done.returncode, done.stdout, done.stderr) == (0, "42\n", "r-1")

    def test_a_wrapper_of_another_clone_is_not_taken_for_slurms_own(
        self, tmp_path, commands, monkeypatch
    ):
        commands(sbatch="echo 42")
        other = shutil.copytree(slurm_client.WRAPPERS, tmp_path / "other")
        monkeypatch.setenv("PATH", f"{other}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setattr(slurm_client, "WRAPPERS", other)
        done = wrapper("sbatch", *SUBMIT, NICHECLIP_DRIVER_FOLDER=str(tmp_path))
        assert (done.returncode, done.stdout) == (0, "42\n")

    def test_a_submission_waits_while_slurm_is_away(self, tmp_path, commands, monkeypatch, capfd):
        commands(sbatch=f"echo x >> tries; test $(wc -l < tries) -gt 2 && echo 42 || {{ {AWAY}; }}")
        commands(squeue="true")
        monkeypatch.setattr(slurm_client, "PAUSE", 0.01)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
        assert slurm_client.submit(SUBMIT) == 0
        assert capfd.readouterr().out == "42\n"
        assert (tmp_path / "tries").read_text().split() == ["x"] * 3

    def test_a_job_whose_answer_was_lost_is_not_submitted_again(
        self, tmp_path, commands, monkeypatch, capfd
    ):
        # the job was taken as part of an array whose first part has the same rule and wildcards
        commands(sbatch=f'echo x >> tries; echo "$5" > comment; {AWAY}')
        commands(squeue='printf "40|RUNNING|rule_a#other\\n41|PENDING|$(cat comment)\\n"')
        monkeypatch.setattr(slurm_client, "PAUSE", 0.01)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
        assert slurm_client.submit(SUBMIT) == 0
        assert capfd.readouterr().out == "41\n"
        assert (tmp_path / "tries").read_text() == "x\n"

    def test_an_impossible_submission_fails_at_once(self, tmp_path, commands):
        commands(sbatch="echo x >> tries; echo Invalid feature >&2; exit 1")
        done = wrapper("sbatch", *SUBMIT)
        assert (done.returncode, done.stderr) == (1, "Invalid feature\n")
        assert (tmp_path / "tries").read_text() == "x\n"

    def test_no_submission_for_a_dead_driver(self, tmp_path, commands):
        living = driver_watch.identity(os.getpid())
        number, _, start = living.partition(" ")
        commands(sbatch="touch submitted")
        folder = {"NICHECLIP_DRIVER_FOLDER": str(tmp_path)}
        # The number of a process that has ended is given to others.
        done = wrapper("sbatch", *SUBMIT, **folder, NICHECLIP_DRIVER=f"{number} {int(start) - 1}")
        assert (done.returncode, done.stdout) == (1, "")
        assert "the driver that asks has ended" in done.stderr
        assert not (tmp_path / "submitted").exists()
        assert wrapper("sbatch", *SUBMIT, **folder, NICHECLIP_DRIVER=living).returncode == 0
        assert (tmp_path / "submitted").exists()

    def test_no_submission_after_an_interrupt(self, tmp_path, commands):
        commands(sbatch="touch submitted")
        (tmp_path / "interrupted").touch()
        done = wrapper("sbatch", *SUBMIT, NICHECLIP_DRIVER_FOLDER=str(tmp_path))
        assert (done.returncode, done.stderr) == (1, "interrupted; nothing was submitted\n")
        assert not (tmp_path / "submitted").exists()
        os.close(slurm_driver.hold(tmp_path))
        assert wrapper("sbatch", *SUBMIT, NICHECLIP_DRIVER_FOLDER=str(tmp_path)).returncode == 0

    def test_states_come_from_squeue_where_sacct_has_none(self, commands):
        commands(sacct="exit 1", squeue='case "$*" in *PENDING*) ;; *) echo "7|RUNNING";; esac')
        query = ("-X", "--format=JobIdRaw,State", "--name", "r-1")
        assert wrapper("sacct", *query).stdout == "7|RUNNING\n"
        commands(sacct="echo '7|COMPLETED'")
        assert wrapper("sacct", *query).stdout == "7|COMPLETED\n"

    def test_an_interrupted_driver_is_told_of_no_job_where_slurm_is_away(
        self, tmp_path, commands, monkeypatch
    ):
        commands(sacct="exit 1", squeue="exit 1")
        query = ("-X", "--format=JobIdRaw,State", "--name", "r-1")
        monkeypatch.setenv("NICHECLIP_DRIVER_FOLDER", str(tmp_path))
        (tmp_path / slurm_driver.INTERRUPTED).touch()
        done = wrapper("sacct", *query)
        assert (done.returncode, done.stdout) == (0, "")

    def test_the_tasks_of_an_array_have_states_of_their_own(self, commands):
        commands(sacct='case "$*" in *=JobID,State*) echo "7_1|RUNNING";; esac', squeue="true")
        query = ("-X", "--format=JobIdRaw,State", "--name", "r-1")
        assert wrapper("sacct", *query).stdout == "7_1|RUNNING\n"

    def test_other_questions_go_to_sacct_unchanged(self, commands):
        commands(sacct='echo "$*"; exit 3')
        for question in ("-nu me -o Account%256", "--name=r-1 --format=JobID,Comment,Elapsed"):
            done = wrapper("sacct", *question.split())
            assert (done.returncode, done.stdout) == (3, f"{question}\n")

    def test_states_without_a_sacct_come_from_squeue(self, tmp_path, commands, monkeypatch, capfd):
        commands(squeue='case "$*" in *PENDING*) ;; *) echo "7|RUNNING";; esac')
        found = slurm_client.real
        monkeypatch.setattr(
            slurm_client, "real", lambda name: None if name == "sacct" else found(name)
        )
        assert slurm_client.states(["--name", "r-1"]) == 0
        assert capfd.readouterr().out == "7|RUNNING\n"
