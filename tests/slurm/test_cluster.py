"""The test cluster itself: what the other tests of this folder rely on."""

import subprocess
import sys

import cluster as cluster_script
from cluster import Cluster


def submit(cluster, folder, command, *options):
    """The number of a job that writes its output into ``folder/out``."""
    flags = ["--parsable", "-o", folder / "out", "--mem=100", *options, "--wrap", command]
    return cluster.run("sbatch", *flags, cwd=folder)


def written(file):
    return file.read_text() if file.exists() else ""


def ended(cluster, job, state):
    return cluster.wait_for(lambda: cluster.job_state(job) == state)


def test_second_start_changes_nothing(cluster):
    before = cluster._daemons()
    cluster.start()
    assert cluster._daemons() == before
    assert len(before) == 5  # munged, slurmctld, three slurmd


def test_job_runs_and_failure_shows(cluster, tmp_path):
    job = submit(cluster, tmp_path, "echo $SLURMD_NODENAME; exit 3")
    ended(cluster, job, "FAILED")
    assert (tmp_path / "out").read_text() in ("cpu1\n", "cpu2\n")


def test_job_sees_the_devices_that_it_asked_for(cluster, tmp_path):
    command = "srun sh -c 'echo $SLURMD_NODENAME $CUDA_VISIBLE_DEVICES'"
    ended(cluster, submit(cluster, tmp_path, command, "-p", "gpu", "--gpus=2"), "COMPLETED")
    assert (tmp_path / "out").read_text() == "gpu1 0,1\n"


def test_impossible_request_is_refused(cluster):
    flags = ["sbatch", "-p", "gpu", "--gpus=3", "--wrap", "true"]
    done = subprocess.run(flags, env=cluster.env, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "not available" in done.stderr


def test_job_of_a_killed_node_runs_on_another(cluster, tmp_path):
    command = "echo $SLURMD_NODENAME >> nodes; test $SLURMD_NODENAME = cpu2 || sleep 1000"
    # Both nodes, but cpu1 first: the nodes are taken in their order.
    job = submit(cluster, tmp_path, command)
    cluster.wait_for(lambda: written(tmp_path / "nodes") == "cpu1\n")
    steps = cluster._steps("cpu1")
    assert len(steps) == 1
    try:
        cluster.kill_node("cpu1")
        assert not cluster._steps("cpu1")
        assert not cluster._daemons("slurmd", "cpu1")
        assert "cpu1 cpu* down" in cluster.status()
        ended(cluster, job, "COMPLETED")
    finally:
        cluster.start_node("cpu1")
    assert (tmp_path / "nodes").read_text() == "cpu1\ncpu2\n"
    assert "cpu1 cpu* idle" in cluster.status()


def test_job_outlives_the_controller(cluster, tmp_path):
    job = submit(cluster, tmp_path, "until test -e go; do sleep 0.2; done; echo done")
    cluster.wait_for(lambda: cluster.job_state(job) == "RUNNING")
    cluster.stop_controller()
    try:
        assert not cluster._daemons("slurmctld")
        (tmp_path / "go").touch()
        cluster.wait_for(lambda: written(tmp_path / "out") == "done\n")
    finally:
        cluster.start_controller()
    ended(cluster, job, "COMPLETED")


def test_command_line_starts_shows_and_stops(cluster, tmp_path):
    """A second cluster beside the first, so that it is known to be apart."""

    def command(name):
        script = [sys.executable, cluster_script.__file__, name, str(tmp_path / "c")]
        return subprocess.run(script, capture_output=True, text=True, check=True).stdout

    try:
        command("start")
        assert "gpu1 gpu idle 4 16000 gpu:h200:2" in command("status")
        assert f"PATH='{tmp_path}/c/bin'" in command("env")
    finally:
        command("stop")
    assert not Cluster(tmp_path / "c")._daemons()
    assert len(cluster._daemons()) == 5
