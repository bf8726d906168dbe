"""A workflow that is killed again and again, beside one that is not: the same bytes?

    PYTHONPATH=src python benchmarks/kills.py [--on slurm|local] [--kills 50] [--seed 0]
        [--configfile FILE --config rehearsal=4 --targets all] [--jobs 2] [--keep FOLDER]

Kills of every kind (``kills_kinds.py``) strike at random moments until the run is complete, then a
new one begins, until all kills were given. After each the same command is given again where its
driver has ended; nothing else is done. Prints a row for each kill. Exit status 1 if bytes differ, a
process outlived its driver or SLURM job by more than a minute, or a start did not go on.

``slurm`` needs Debian's packages munge and slurm-wlm: the profile as it is, on the test cluster,
with its partitions and a question for states every second.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/slurm"), str(ROOT / "src")]

from cluster import Cluster  # noqa: E402
from kills_run import Run  # noqa: E402
from kills_server import Network  # noqa: E402
from kills_trial import HEAD, Trial  # noqa: E402
from slurm_conf import PARTITIONS  # noqa: E402

from nicheclip.runtime.files import read_json, write_json  # noqa: E402
from workflow_run import clone  # noqa: E402

PLACEHOLDER = "http://127.0.0.1:1/"


@contextmanager
def started_cluster(folder: Path, *, wanted: bool) -> Iterator[Cluster | None]:
    """The test cluster, if it is wanted."""
    if not wanted:
        yield None
        return
    cluster = Cluster(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def copy_of_project(folder: Path, configfile: Path, network: Network) -> Path:
    """A clone with the cluster's partitions and a config that loads from ``network``."""
    shutil.rmtree(folder, ignore_errors=True)
    clone(folder)
    (folder / "profiles/slurm/partitions.yaml").write_text(yaml.safe_dump(PARTITIONS))
    config = folder / configfile.name
    address = f"http://127.0.0.1:{network.port}/"
    config.write_text(configfile.read_text().replace(PLACEHOLDER, address))
    return folder


def options(given: argparse.Namespace, *, slurm: bool) -> list[str]:
    """Of Snakemake."""
    found = [*given.targets, "--configfile", given.configfile.name]
    if given.config:
        found += ["--config", *given.config]
    if not slurm:
        return [*found, "--cores", str(given.cores)]
    found += ["--profile", "slurm", "--latency-wait", "20"]
    found += ["--slurm-init-seconds-before-status-checks", "1", "--jobs", str(given.jobs)]
    return found


def unbroken(folder: Path, given: argparse.Namespace, network: Network) -> dict[str, str]:
    """The files of a local run that nobody disturbs; with --keep those of an earlier call."""
    noted = folder.with_suffix(".json")
    if noted.exists():
        return dict(read_json(noted))
    copy_of_project(folder, given.configfile, network)
    run = Run(folder, options(given, slurm=False), None)
    run.clear()
    run.start()
    if run.wait(7200) != 0:
        raise RuntimeError(run.said[-6000:])
    seconds = time.monotonic() - run.began
    write_json(noted, found := run.digests())
    print(f"unbroken: {len(found)} files in {seconds:.0f} s", file=sys.stderr, flush=True)
    return found


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Random kills, and the same bytes after them?")
    parser.add_argument("--on", choices=("slurm", "local"), default="slurm")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--pause", type=float, default=30, help="seconds between kills, at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    parser.add_argument("--jobs", type=int, default=100, help="SLURM jobs at a time")
    parser.add_argument("--configfile", type=Path, default=ROOT / "tests/configs/kills.yaml")
    parser.add_argument("--config", nargs="+", default=[])
    parser.add_argument("--targets", nargs="*", default=["tables", "adapt"])
    parser.add_argument("--keep", type=Path, help="work in this folder and leave it")
    return parser.parse_args()


def main() -> None:
    """Print one table."""
    given = arguments()
    place = given.keep or Path(tempfile.mkdtemp(prefix="kills-", dir="/tmp"))
    network = Network()
    slurm = given.on == "slurm"
    expected = unbroken(place / "whole", given, network)
    with started_cluster(place / "cluster", wanted=slurm) as cluster:
        folder = copy_of_project(place / "killed", given.configfile, network)
        run = Run(folder, options(given, slurm=slurm), cluster)
        trial = Trial(run, network, kills=given.kills, seed=given.seed, pause=given.pause)
        began = time.monotonic()
        try:
            struck = -1
            while trial.deck and len(trial.rows) > struck:  # not one without a target
                struck = len(trial.rows)
                trial.round(expected)
        finally:
            run.end()
    print(HEAD, *(row.row() for row in trial.rows), sep="\n")
    seconds = time.monotonic() - began
    print(f"\n{len(trial.rows)} kills in {seconds:.0f} s, {len(trial.bad)} faults found")
    if not given.keep:
        shutil.rmtree(place, ignore_errors=True)
    if trial.bad:
        raise SystemExit("\n\n".join(trial.bad))


if __name__ == "__main__":
    main()
