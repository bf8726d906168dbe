"""The demo's seconds through the SLURM profile beside a local run, whether both write the same, and
what the jobs of each rule asked for and used.

    python benchmarks/slurm_demo.py [--cores 2] [--configfile FILE] [--config rehearsal=4]
        [--options="--slurm-array-jobs=encode"]

Needs Debian's packages munge and slurm-wlm. Both runs are in fresh copies of the project; the one
on the test cluster uses the profile as it is, with the partitions of that cluster. The cluster
pretends to more processors than the machine has, so its jobs share those that are there.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/slurm"), str(ROOT / "src")]

from cluster import Cluster  # noqa: E402
from slurm_conf import PARTITIONS  # noqa: E402
from slurm_used import Recorder  # noqa: E402

from workflow_run import clone, digests, environment  # noqa: E402


def seconds(folder: Path, env: dict[str, str], *options: str) -> float:
    """Of a run of Snakemake in ``folder``."""
    start = time.monotonic()
    with (folder / "run.log").open("w") as log:
        done = subprocess.run(
            ["snakemake", *options], cwd=folder, env=env, stdout=log, stderr=log, check=False
        )
    if done.returncode != 0:
        raise RuntimeError(f"snakemake {' '.join(options)}\n{Path(log.name).read_text()[-4000:]}")
    return time.monotonic() - start


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description="The demo on the test cluster and locally.")
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    parser.add_argument("--configfile", type=Path, default=ROOT / "config.yaml")
    parser.add_argument("--config", nargs="+", default=[])
    parser.add_argument("--options", default="", help="of Snakemake, for the run on the cluster")
    given = parser.parse_args()
    config = ["--configfile", given.configfile.name]
    if given.config:
        config += ["--config", *given.config]
    with tempfile.TemporaryDirectory(prefix="slurm-", dir="/tmp") as name:
        local, remote = clone(Path(name) / "local"), clone(Path(name) / "remote")
        for folder in (local, remote):
            shutil.copy2(given.configfile, folder / given.configfile.name)
        (remote / "profiles/slurm/partitions.yaml").write_text(yaml.safe_dump(PARTITIONS))
        cluster = Cluster(Path(name) / "cluster")
        try:
            cluster.start()
            env = environment(PATH=cluster.env["PATH"])
            here = seconds(local, env, *config, "--cores", str(given.cores))
            with Recorder(cluster) as recorder:
                options = [*config, "--profile", "slurm", *given.options.split()]
                there = seconds(remote, cluster.env, *options)
            jobs = len(cluster.run("squeue", "-h", "-r", "--states=all").splitlines())
        finally:
            cluster.stop()
        inner = f"rehearsal/{given.configfile.stem}" if given.config else ""
        found, expected = digests(remote / inner), digests(local / inner)
    print(f"{given.configfile.name} on {os.cpu_count()} processors\n")
    print("| run | SLURM jobs | seconds | ratio |\n|---|---|---|---|")
    print(f"| --cores {given.cores} | 0 | {here:.0f} | 1 |")
    print(f"| --profile slurm | {jobs} | {there:.0f} | {there / here:.2f} |\n")
    print(recorder.table(), end="\n\n")
    differing = sorted(k for k in found.keys() | expected.keys() if found.get(k) != expected.get(k))
    print(f"{len(found)} files compared, {len(differing)} differ")
    if differing or not found:
        raise SystemExit("\n".join(differing) or "nothing was compared")


if __name__ == "__main__":
    main()
