"""The whole chain as a user of a cluster runs it, in a fresh clone."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from slurm_conf import PARTITIONS

from workflow_run import ROOT, clone, digests, snakemake

#: the same command, which asks for states every second
QUICK = Path(__file__).with_name("quick_snakemake.py")
#: rules whose light jobs share one SLURM job, so that a test waits for few of them
DATA = (
    "acquire_part",
    "curate_dataset",
    "assign_captions",
    "judge_captions",
    "flatten_taxonomy",
    "create_model",
)
JUDGING = ("encode", "judge", "judge_colour_histogram")


def project(folder):
    """A clone whose config is the smallest."""
    clone(folder)
    shutil.copy2(ROOT / "tests/configs/slurm.yaml", folder / "config.yaml")
    return folder


def adapt_to_the_cluster(folder):
    """The changes that a site makes in its clone."""
    profile = folder / "profiles/slurm/profile.yaml"
    keys = yaml.safe_load(profile.read_text())
    keys["slurm-init-seconds-before-status-checks"] = 8
    keys["groups"] = dict.fromkeys(DATA, "data") | dict.fromkeys(JUDGING, "judging")
    keys["group-components"] = {"data": 12, "judging": 9}
    profile.write_text(yaml.safe_dump(keys))
    (folder / "profiles/slurm/partitions.yaml").write_text(yaml.safe_dump(PARTITIONS))


def run_on(cluster, folder, command, *targets):
    done = subprocess.run(
        [*command, "--profile", "slurm", *targets],
        cwd=folder,
        env=cluster.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-8000:]
    return done.stdout


def made(folder):
    kept = {"logs", "README.md", "last_run.json"}
    return {path.name for path in Path(folder, "results").iterdir()} - kept


@pytest.mark.slow
def test_the_chain_on_a_cluster_gives_the_bytes_of_a_local_run(cluster, tmp_path):
    here, there = project(tmp_path / "here"), project(tmp_path / "there")
    adapt_to_the_cluster(there)

    run_on(cluster, there, ["snakemake"], "acquire")
    assert made(there) == {"acquire"}

    output = run_on(cluster, there, [sys.executable, QUICK])
    assert "slurm_logs/rule_train_model" in output
    assert "(100%) done" in output
    snakemake(here, "--cores", 2, config=here / "config.yaml", root=here)
    found = digests(there)
    assert found == digests(here)
    kinds = {Path(name).suffix for name in found}
    assert kinds >= {".safetensors", ".csv", ".md", ".svg"}
    assert (there / "results/report.html").is_file()
