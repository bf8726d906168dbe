"""Training on a real SLURM: lost nodes, requeues, several nodes, time limits."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from slurm_conf import PARTITIONS

from nicheclip.models.openclip import load
from nicheclip.runtime.files import read_json, sha256_file
from workflow_run import clone, snakemake

HERE = Path(__file__).parent
WEIGHTS = "open_clip_model.safetensors"
RUN = {
    "dataset": "fungi",
    "model": "tiny",
    "recipe": {"kind": "multi_positive"},
    "epochs": 4,
    "batch_size": 12,
    # A large eps: AdamW would otherwise blow rounding up to whole steps, between one and two nodes.
    "optimizer": {"lr": 1e-3, "eps": 1e-3},
    "unfreezing": {"epochs_per_block": 1, "projections": True, "embeddings": True},
}
COMPUTE = {"checkpoint_seconds": 1e-9, "log_every_steps": 1}
CONFIG = {
    "scale": "demo",
    "datasets": {
        "fungi": {
            "source": {
                "kind": "synthetic",
                "world": {
                    "name": "fungi",
                    "size": 32,
                    "images_per_class": {"train": 16, "val": 4, "test": 4},
                },
            },
            "split": {"method": "given"},
            "captions": "visual",
        }
    },
    "captions": {
        "visual": {
            "dataset": "fungi",
            "backend": {"kind": "template", "grammar": "fungi"},
            "samples": 24,
        }
    },
    "models": {"tiny": {"architecture": "nicheclip-tiny"}},
    "training": {
        name: RUN | {"compute": COMPUTE | changes}
        for name, changes in {
            "undisturbed": {},
            "requeued": {},
            "two-nodes": {"nodes": 2},
            "limited": {"hours": 0.01},
        }.items()
    },
}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A clone with images, start model and the undisturbed run, made without SLURM."""
    folder = clone(tmp_path_factory.mktemp("training") / "clone")
    (folder / "profiles/slurm/partitions.yaml").write_text(yaml.safe_dump(PARTITIONS))
    config = folder / "tests.yaml"
    config.write_text(yaml.safe_dump(CONFIG | {"scratch": str(folder / "disk")}))
    target = "results/models/trained/undisturbed/seed0/train.json"
    snakemake(folder, "--cores", 2, target, config=config, root=folder)
    return folder


class Training:
    """One run of the config, started through the workflow's SLURM profile."""

    def __init__(self, cluster, project, run):
        self.cluster, self.folder = cluster, project / f"results/models/trained/{run}/seed0"
        self.log = project / f"results/logs/models/trained/{run}/seed0.log"
        self.run_folder = self.folder / "run"
        self.output = project / f"{run}.log"
        self._command = [sys.executable, HERE / "quick_snakemake.py", "--profile", "slurm"]
        self._command += ["--configfile", "tests.yaml", "--latency-wait", "20"]
        self._command += ["--slurm-init-seconds-before-status-checks", "1"]
        self._command += [f"results/models/trained/{run}/seed0/train.json"]
        self._project = project

    def start(self):
        with self.output.open("w") as output:
            self.driver = subprocess.Popen(
                list(map(str, self._command)),
                cwd=self._project,
                env=self.cluster.env | {"PYTHONPATH": str(HERE / "pausing")},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def pause_at(self, step):
        """Let it wait in the middle of a step; 0 lets it go on."""
        self.run_folder.mkdir(parents=True, exist_ok=True)
        temporary = self.run_folder / "new"
        temporary.write_text(str(step))
        temporary.replace(self.run_folder / "pause")

    def wait_until_paused(self, step):
        file = self.run_folder / "paused"

        def paused():
            assert self.driver.poll() is None, self.told()
            return file.exists() and file.read_text() == str(step)

        self.cluster.wait_for(paused, seconds=300)

    def jobs(self):
        """Number, state and nodes of its jobs; each driver gives its jobs a name of its own."""
        name = self.output.read_text().split("SLURM run ID: ")[1].split()[0]
        fields = ("squeue", "-h", "--states=all", "--name", name, "-o", "%i %T %N %D")
        return [line.split() for line in self.cluster.run(*fields).splitlines()]

    def finish(self):
        """The report of the complete run."""
        assert self.driver.wait(timeout=600) == 0, self.told()
        return read_json(self.folder / "train.json")

    def told(self):
        log = self.log.read_text() if self.log.exists() else ""
        return self.output.read_text() + log

    def end(self):
        """Leave nothing behind, whatever a test has found."""
        self.pause_at(0)
        if self.driver.poll() is None:
            self.driver.kill()
            self.driver.wait()
        self.cluster.run("scancel", "-u", os.geteuid(), check=False)


@pytest.fixture
def training(cluster, project):
    started = []

    def start(run, pause_at):
        training = Training(cluster, project, run)
        training.pause_at(pause_at)
        training.start()
        started.append(training)
        return training

    yield start
    for training in started:
        training.end()


def copies(project):
    """What jobs have copied to their nodes' own disk, which all nodes of the test cluster share."""
    return list((project / "disk").glob("nicheclip-*"))


def undisturbed(project):
    return project / "results/models/trained/undisturbed/seed0"


@pytest.mark.slow
def test_lost_node_and_preemption_end_in_the_same_weights(cluster, project, training):
    requeued = training("requeued", pause_at=6)
    requeued.wait_until_paused(6)
    [[job, state, node, _]] = requeued.jobs()
    assert state == "RUNNING"
    try:
        cluster.kill_node(node)
        requeued.pause_at(9)
        requeued.wait_until_paused(9)
        [[same, state, other, _]] = requeued.jobs()
        assert (same, state) == (job, "RUNNING") and other != node
    finally:
        cluster.start_node(node)
    # A job of the partition whose jobs go first takes the node.
    urgent = ("sbatch", "--parsable", "-p", "urgent", f"--nodelist={other}", "--exclusive")
    taker = cluster.run(*urgent, "--mem=0", "--output=/dev/null", "--wrap=sleep 1000")
    cluster.wait_for(lambda: cluster.job_state(job) != "RUNNING")
    requeued.pause_at(0)
    cluster.wait_for(lambda: cluster.job_state(taker) == "RUNNING")
    cluster.run("scancel", taker)
    report = requeued.finish()
    assert [(same, state) for same, state, _, _ in requeued.jobs()] == [(job, "COMPLETED")]
    # Killed in step 6; told to stop in step 9 and given the time for a checkpoint.
    assert report["resumed_at_steps"] == [5, 9], requeued.told()
    log = next((project / ".snakemake/slurm_logs").rglob(f"{job}.log")).read_text()
    for step in (5, 9):  # each start adds to the log
        assert f"going on after step {step} of 16" in log
    # The lost node's job could not remove its copy; a later one has.
    assert len(set(re.findall(r"files of images .* copied to (\S+)", log))) == 3
    assert not copies(project)
    assert sha256_file(requeued.folder / WEIGHTS) == sha256_file(undisturbed(project) / WEIGHTS)


@pytest.mark.slow
def test_two_nodes_train_the_weights_of_one_process(project, training):
    both = training("two-nodes", pause_at=0)
    report = both.finish()
    [[_, state, _, nodes]] = both.jobs()
    assert (state, nodes, report["processes"]) == ("COMPLETED", "2", 2)
    copied = re.findall(r"files of images .* copied to (\S+)", both.told())
    assert len(set(copied)) == 2 and not copies(project)  # one for each node
    one, two = (load(folder).model.state_dict() for folder in (undisturbed(project), both.folder))
    assert max((one[name] - two[name]).abs().max().item() for name in one) < 1e-6


@pytest.mark.slow
def test_time_limit_leaves_a_checkpoint_for_the_retry(cluster, project, training):
    limited = training("limited", pause_at=5)
    limited.wait_until_paused(5)
    end = read_json(limited.run_folder / "task.json")["stop_at"]
    cluster.wait_for(lambda: time.time() > end)
    limited.pause_at(0)
    report = limited.finish()
    assert report["resumed_at_steps"] == [5], limited.told()
    assert sorted(state for _, state, _, _ in limited.jobs()) == ["COMPLETED", "FAILED"]
    assert sha256_file(limited.folder / WEIGHTS) == sha256_file(undisturbed(project) / WEIGHTS)
