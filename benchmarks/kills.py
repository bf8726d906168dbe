"""A workflow that is killed again and again, beside one that is not: the same bytes?

    PYTHONPATH=src python benchmarks/kills.py [--on slurm|local] [--kills 50] [--seed 0]
        [--configfile FILE --config rehearsal=4] [--keep FOLDER]

Kills of every kind (``kills_kinds.py``) strike at random moments until the run is complete, then a
new one begins, until all kills were given. After each the same command is given again where its
driver has ended; nothing else is done. Prints a row for each kill. Exit status 1 if bytes differ, a
process outlived its driver or SLURM job by more than a minute, or a start did not go on.

``slurm`` needs Debian's packages munge and slurm-wlm: the profile as it is, on the test cluster,
with its partitions and a question for states every second.
"""

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/slurm"), str(ROOT / "src")]

from cluster import Cluster  # noqa: E402
from kills_kinds import LOCAL, NETWORK, SLURM, loads  # noqa: E402
from kills_run import BY_HAND, JOBS_LEFT, Run  # noqa: E402
from kills_server import Network  # noqa: E402
from slurm_conf import PARTITIONS  # noqa: E402

from nicheclip.runtime.files import read_json, write_json  # noqa: E402
from workflow_run import clone  # noqa: E402

SHORTEST_PAUSE = 2.0  # seconds between two kills
ENDS_WITHIN = 300.0  # seconds after a signal that the driver is given
STUCK = 4  # starts without a kill that end with an error
PLACEHOLDER = "http://127.0.0.1:1/"


@dataclass
class Kill:
    """One row of the table."""

    number: int
    kind: str
    target: str
    when: float
    done: str
    events: list[str] = field(default_factory=list)
    orphans: float = 0.0
    outcome: str = ""

    def row(self) -> str:
        """In Markdown."""
        events = "; ".join(dict.fromkeys(self.events)) or "the driver went on"
        cells = (self.number, self.kind, self.target, f"{self.when:.0f} s, {self.done}", events)
        return "| " + " | ".join(map(str, (*cells, f"{self.orphans:.0f} s", self.outcome))) + " |"


HEAD = (
    "| kill | kind | target | when, jobs done | what came next | longest orphan | outcome |\n"
    "|---|---|---|---|---|---|---|"
)


class Trial:
    """Kills one run after another."""

    def __init__(self, run: Run, network: Network, *, kills: int, seed: int, pause: float) -> None:
        self.run, self.network, self.pause = run, network, pause
        self.draw = random.Random(seed)
        self.strikes = SLURM if run.cluster else LOCAL
        deck = [kind for _ in range(kills) for kind in self.strikes][:kills]
        self.deck = self.draw.sample(deck, kills)
        self.rows: list[Kill] = []
        self.bad: list[str] = []

    def round(self, expected: dict[str, str]) -> None:
        """From nothing to a complete run, with kills in between."""
        first = len(self.rows)
        self.run.clear()
        self.run.start()
        errors = 0  # in a row, without a kill in between
        while True:
            status = self._until_next_kill()
            if status == 0:
                break
            if status is not None:
                errors = errors + 1 if JOBS_LEFT not in self.run.said else errors
                if errors >= STUCK:
                    self._stuck(self.rows[first:])
                    return
                self._start_again(status)
            elif self.deck:
                errors = 0
                self._strike()
        self.run.wait_for_orphans()
        self._close_last()
        self._compare(self.rows[first:], expected)

    def _until_next_kill(self) -> int | None:
        """Wait for the driver's end, a download to break off, or the drawn moment."""
        if not self.deck:
            return self.run.wait(3600)
        end = time.monotonic() + self.draw.uniform(SHORTEST_PAUSE, self.pause)
        while time.monotonic() < end:
            if (status := self.run.wait(0.5)) is not None:
                return status
            if NETWORK in self.deck and loads(self.run) and self.draw.random() < 0.2:
                return None
        return None

    def _strike(self) -> None:
        """The first kill of the deck that has a target now."""
        kinds = list(self.deck)
        if NETWORK in kinds and loads(self.run):
            kinds.insert(0, NETWORK)
        for kind in kinds:
            when, done = time.monotonic() - self.run.began, self.run.done
            target = self.strikes[kind](self.run, self.network, self.draw)
            if not target:
                continue
            self._close_last()
            self.deck.remove(kind)
            self.rows.append(Kill(len(self.rows) + 1, kind, target, when, done))
            print(self.rows[-1].row(), file=sys.stderr, flush=True)
            if "driver" in kind or kind in ("Ctrl-C", "SIGKILL of all"):
                struck = time.monotonic()
                status = self.run.wait(ENDS_WITHIN)
                if status is None:
                    self.bad.append(f"kill {len(self.rows)}: the driver did not end")
                    self.run.end()
                self._note(f"driver ended ({status}) in {time.monotonic() - struck:.0f} s")
            return

    def _start_again(self, status: int) -> None:
        said = self.run.said
        if any(word in said for word in BY_HAND) and JOBS_LEFT not in said:
            self.bad.append(f"a start asks for a repair by hand:\n{said[-3000:]}")
        if JOBS_LEFT in said:
            self._note("next start refused until the SLURM jobs of the dead driver had ended")
            self.run.wait_for_jobs()
        else:
            self._note(f"driver ended ({status}), same command again")
        time.sleep(self.draw.uniform(0, 5))
        self.run.start()

    def _note(self, event: str) -> None:
        if self.rows:
            self.rows[-1].events.append(event)

    def _close_last(self) -> None:
        """What was seen since the last kill belongs to it."""
        watch = self.run.watch
        if self.rows:
            row = self.rows[-1]
            row.orphans = max(row.orphans, watch.longest)
            if "Trying to restart job" in self.run.said and not row.events:
                row.events.append("the job ran again")
        if watch.too_long:
            self.bad.append(f"kill {len(self.rows)}: orphans {sorted(watch.too_long)}")
        watch.forget()

    def _stuck(self, rows: list[Kill]) -> None:
        self._close_last()
        for row in rows:
            row.outcome = "stuck"
        self.bad.append(f"kill {len(self.rows)}: the run does not go on\n{self.run.said[-6000:]}")
        self.run.end()

    def _compare(self, rows: list[Kill], expected: dict[str, str]) -> None:
        found = self.run.digests()
        names = found.keys() | expected.keys()
        differing = sorted(name for name in names if found.get(name) != expected.get(name))
        same = f"same bytes ({len(found)} files)"
        for row in rows:
            row.outcome = f"{len(differing)} files differ" if differing or not found else same
        if differing:
            self.bad.append(f"after kill {len(self.rows)} differ: {differing[:20]}")
        if left := self.run.left_over():
            self.bad.append(f"after kill {len(self.rows)}: {left} temporary files are left")
        seconds = time.monotonic() - self.run.began
        print(
            f"round of {len(rows)} kills, {self.run.starts} starts, {seconds:.0f} s: "
            f"{len(differing)} of {len(names)} files differ",
            file=sys.stderr,
            flush=True,
        )


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
    found += ["--slurm-init-seconds-before-status-checks", "1"]
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
    parser.add_argument("--configfile", type=Path, default=ROOT / "tests/configs/kills.yaml")
    parser.add_argument("--config", nargs="+", default=[])
    parser.add_argument("--port", type=int, default=18731, help="of the server of the archive")
    parser.add_argument("--targets", nargs="*", default=["tables", "adapt"])
    parser.add_argument("--keep", type=Path, help="work in this folder and leave it")
    return parser.parse_args()


def main() -> None:
    """Print one table."""
    given = arguments()
    place = given.keep or Path(tempfile.mkdtemp(prefix="kills-", dir="/tmp"))
    network = Network(given.port)
    slurm = given.on == "slurm"
    expected = unbroken(place / "whole", given, network)
    with started_cluster(place / "cluster", wanted=slurm) as cluster:
        folder = copy_of_project(place / "killed", given.configfile, network)
        run = Run(folder, options(given, slurm=slurm), cluster)
        trial = Trial(run, network, kills=given.kills, seed=given.seed, pause=given.pause)
        began = time.monotonic()
        try:
            while trial.deck:
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
