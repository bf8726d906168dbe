"""Seconds per trivial job through the SLURM profile beside plain sbatch, on the test cluster.

    python benchmarks/slurm_overhead.py [--jobs 20] [--setting "OPTIONS OF SNAKEMAKE"] ...

Needs Debian's packages munge and slurm-wlm. Each row is one run of N jobs that do nothing: plain
`sbatch`, the profile as it is, and the profile with each of the settings. The time ends when
sbatch's last job has ended, and for the workflow when Snakemake has. The second column counts the
jobs that SLURM saw.
"""

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests/slurm"))

from cluster import Cluster  # noqa: E402

SNAKEFILE = """
import os
import sys

REPOSITORY = Path({root!r})
sys.path.insert(0, str(REPOSITORY / "src"))
os.environ.update(PYTHONPATH=str(REPOSITORY / "src"))


include: REPOSITORY / "workflow/rules/driver.smk"


rule all:
    input:
        expand("done/{{number}}", number=range({jobs})),


rule trivial:
    output:
        touch("done/{{number}}"),
    resources:
        in_turn=1,
        mem_mb=500,
        runtime=1,
    shell:
        "true"
"""
SETTINGS = (
    "--slurm-init-seconds-before-status-checks 5",
    "--slurm-array-jobs trivial",
    "--groups trivial=light --group-components light=5",
    "--groups trivial=light --group-components light=10",
)


def plain(cluster: Cluster, jobs: int, folder: Path) -> float:
    """Seconds for ``jobs`` calls of sbatch and their jobs."""
    flags = ("--mem=500", "-t", "1", "--job-name=plain", "-o", "/dev/null", "--wrap", "true")
    start = time.monotonic()
    for _ in range(jobs):
        cluster.run("sbatch", *flags, cwd=folder)
    cluster.wait_for(lambda: not cluster.run("squeue", "-h", "--name=plain"), seconds=600)
    return time.monotonic() - start


def workflow(cluster: Cluster, jobs: int, folder: Path, setting: str) -> float:
    """Seconds of a run of Snakemake."""
    (folder / "Snakefile").write_text(SNAKEFILE.format(jobs=jobs, root=str(ROOT)))
    command = ["snakemake", "--profile", str(ROOT / "profiles/slurm"), *shlex.split(setting)]
    start = time.monotonic()
    done = subprocess.run(
        command,
        cwd=folder,
        env=cluster.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{shlex.join(command)}\n{done.stdout[-4000:]}")
    return time.monotonic() - start


def seen(cluster: Cluster) -> int:
    """How many jobs SLURM has had, each task of an array counted."""
    return len(cluster.run("squeue", "-h", "-r", "--states=all").splitlines())


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description="Seconds per trivial job on the test cluster.")
    parser.add_argument("--jobs", type=int, default=20)
    parser.add_argument("--setting", action="append", help="repeat it; the default is a choice")
    given = parser.parse_args()
    print(f"{given.jobs} jobs on {os.cpu_count()} processors\n")
    print("| run | SLURM jobs | seconds | seconds per job |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="slurm-", dir="/tmp") as name:
        folder = Path(name)
        cluster = Cluster(folder / "cluster")
        try:
            cluster.start()
            runs = ["plain sbatch", "the profile", *(given.setting or SETTINGS)]
            for number, run in enumerate(runs):
                place = folder / str(number)
                place.mkdir()
                before = seen(cluster)
                if number == 0:
                    seconds = plain(cluster, given.jobs, place)
                else:
                    setting = run if number > 1 else ""
                    seconds = workflow(cluster, given.jobs, place, setting)
                sent = seen(cluster) - before
                if sent == 0:
                    raise RuntimeError(f"{run}: no job reached SLURM, so nothing was measured")
                print(
                    f"| {run} | {sent} | {seconds:.1f} | {seconds / given.jobs:.2f} |", flush=True
                )
        finally:
            cluster.stop()


if __name__ == "__main__":
    main()
