"""What clusters do to jobs and people to drivers, with Snakemake on a real SLURM."""

import shlex
import signal
import time

import pytest
from slurm_run import Driver


@pytest.fixture
def drive(cluster, tmp_path):
    """Start a driver in the test's folder; none, and no job, is left at the end."""
    started = []

    def start(*arguments):
        started.append(Driver(cluster, tmp_path / "run", *arguments))
        return started[-1]

    yield start
    for driver in started:
        driver.process.kill()
        driver.process.wait()
    cluster.run("scancel", "--partition=cpu")
    cluster.wait_for(lambda: not cluster.run("squeue", "--noheader"))


def test_jobs_that_slurm_ends_run_again_with_more_and_are_named(drive, cluster):
    """A time limit, a memory limit, scancel, and a failure of the job's own, in one run."""
    driver = drive("timed_out", "hungry", "cancelled", "broken")
    cluster.run("scancel", driver.running("cancelled"))
    # Instead of a minute: SLURM looks at the limits every half minute.
    cluster.run("scontrol", "update", f"jobid={driver.running('timed_out')}", "EndTime=now+1")
    assert driver.end(420) == 1, driver.output
    assert driver.runs("timed_out") == ["1", "10"]
    assert driver.runs("hungry") == ["400", "1500"]
    assert driver.runs("cancelled") == ["run"] * 2
    # One retry: each job that SLURM starts runs the command once.
    assert driver.runs("broken") == ["run"] * 2
    states = driver.states()
    assert states["timed_out"] == ["TIMEOUT", "COMPLETED"]
    assert states["hungry"][0] in ("OUT_OF_MEMORY", "FAILED")
    assert states["hungry"][1:] == ["COMPLETED"]
    assert states["cancelled"] == ["CANCELLED", "COMPLETED"]
    assert states["broken"] == ["FAILED", "FAILED"]
    ended = driver.output.partition("Ended by SLURM")[2]
    for rule, state in {
        "timed_out": "TIMEOUT",
        "hungry": "OUT_OF_MEMORY",
        "cancelled": "CANCELLED",
    }.items():
        assert f"(rule_{rule}): {state}" in ended
    assert "(rule_broken):" not in ended  # it ended by itself; its own message stands last


@pytest.fixture
def full(cluster):
    """Jobs of others hold every processor of the partition."""
    flags = ("--parsable", "--exclusive", "--mem=0", "--output=/dev/null", "--wrap=sleep 1000")
    jobs = [cluster.run("sbatch", *flags, f"--nodelist=cpu{i}") for i in (1, 2)]
    cluster.wait_for(lambda: {cluster.job_state(job) for job in jobs} == {"RUNNING"})
    yield jobs
    cluster.run("scancel", *jobs)
    cluster.run("scontrol", "update", "partitionname=cpu", "MaxTime=1440")


def test_jobs_wait_for_room_and_late_outputs_but_not_for_ever(drive, cluster, full, tmp_path):
    driver = drive("late", "submitted", "too_long", "--retries", 0)
    (tmp_path / "run/go").touch()
    waiting = [driver.job(rule) for rule in ("late", "submitted", "too_long")]
    assert {cluster.job_state(job) for job in waiting} == {"PENDING"}
    # The limit of 1440 minutes sinks when the jobs, one of 1000 and others of 10, are in the queue.
    cluster.run("scontrol", "update", "partitionname=cpu", "MaxTime=100")
    driver.wait_for(lambda: cluster.job_state(waiting[2]) == "CANCELLED")
    assert {cluster.job_state(job) for job in waiting[:2]} == {"PENDING"}
    cluster.run("scancel", *full)
    assert driver.end() == 1, driver.output
    assert driver.states() == {
        "late": ["COMPLETED"],
        "submitted": ["COMPLETED"],
        "too_long": ["CANCELLED"],
    }
    assert (tmp_path / "run/late.txt").exists()
    assert "SLURM would never have started it: PartitionTimeLimit" in driver.output


def test_impossible_requests_are_refused_at_once(drive, cluster):
    driver = drive("too_big", "submitted")
    assert driver.end() == 1
    assert "too_big: mem_mb 20000 is above max_mem_mb 16000 of cpu" in driver.output
    assert driver.states() == {}
    assert not driver.runs("submitted")

    refused = drive("nowhere", "--retries", 0)
    assert refused.end() == 1
    assert "Invalid feature specification" in refused.output
    assert refused.states() == {}


def test_a_run_survives_a_controller_that_is_away(drive, cluster, tmp_path):
    driver = drive("first", "submitted")
    driver.running("first")
    driver.wait_for((tmp_path / "run/prepared.runs").exists)
    cluster.stop_controller()
    try:
        (tmp_path / "run/go").touch()  # one job ends, and another is to be submitted
        driver.wait_for((tmp_path / "run/prepared.txt").exists)
        time.sleep(60)  # the outage
        assert driver.process.poll() is None
        assert not driver.runs("submitted")
    finally:
        cluster.start_controller()
    assert driver.end() == 0, driver.output
    assert driver.states() == {"first": ["COMPLETED"], "submitted": ["COMPLETED"]}


def test_sigint_while_the_controller_is_away_leaves_jobs_and_says_so(drive, cluster):
    driver = drive("second")
    driver.running("first")
    cluster.stop_controller()
    try:
        driver.send(signal.SIGINT)
        assert driver.end(120) == 1
        refused = drive("second")
        assert refused.end(120) == 1
        for told in (driver.output, refused.output):
            assert f"SLURM does not say:\n    squeue --name {driver.run_name}" in told
    finally:
        cluster.start_controller()
    assert driver.states() == {"first": ["RUNNING"]}
    refused = drive("second")
    assert refused.end() == 1
    assert f"scancel --name {driver.run_name}" in refused.output
    assert driver.runs("first") == ["run"]


def test_sigint_cancels_the_jobs_and_sigterm_lets_them_finish(drive, tmp_path):
    interrupted = drive("second")
    interrupted.running("first")
    interrupted.send(signal.SIGINT)
    assert interrupted.end() == 1, interrupted.output
    assert interrupted.states()["first"] in (["COMPLETING"], ["CANCELLED"])
    (tmp_path / "run/stop").touch()  # else the cancelled job lives on for the grace (KillWait)
    interrupted.cluster.wait_for(lambda: interrupted.states() == {"first": ["CANCELLED"]})
    (tmp_path / "run/stop").unlink()

    terminated = drive("second")
    terminated.wait_for(lambda: len(terminated.runs("first")) == 2)
    terminated.send(signal.SIGTERM)
    terminated.wait_for(lambda: "Will exit after finishing" in terminated.output)
    (tmp_path / "run/go").touch()
    assert terminated.end() == 1
    assert terminated.states() == {"first": ["COMPLETED"]}

    last = drive("second")
    assert last.end() == 0, last.output
    assert len(last.runs("first")) == 2
    assert last.states() == {"second": ["COMPLETED"]}


def test_beside_a_living_driver_or_jobs_of_a_killed_one_no_second_writes(drive, cluster, tmp_path):
    killed = drive("second")
    killed.running("first")

    beside = drive("second")
    assert beside.end() == 1
    assert f"another driver runs SLURM jobs in this folder: process {killed.process.pid}" in (
        beside.output
    )
    assert drive("second", "--dry-run").end() == 0

    killed.send(signal.SIGKILL)
    killed.process.wait()
    refused = drive("second")
    assert refused.end() == 1
    assert f"squeue --name {killed.run_name}" in refused.output
    command = next(line for line in refused.output.splitlines() if "scancel --name" in line)
    assert killed.states() == {"first": ["RUNNING"]}

    cluster.run(*shlex.split(command))
    # It waits until the cancelled job, which writes on for a grace (KillWait), has ended.
    last = drive("second")
    last.wait_for(lambda: len(last.runs("first")) == 2)
    (tmp_path / "run/go").touch()
    assert last.end() == 0, last.output
    assert last.states() == {"first": ["COMPLETED"], "second": ["COMPLETED"]}
    writers = set((tmp_path / "run/first.txt").read_text().split())
    assert writers == {last.job("first")}
