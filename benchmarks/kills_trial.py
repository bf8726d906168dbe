"""Kills one run after another, and notes what came of it."""

import random
import sys
import time
from dataclasses import dataclass, field

from kills_kinds import LOCAL, NETWORK, SLURM, loads
from kills_processes import job_processes
from kills_run import BY_HAND, JOBS_LEFT, Run
from kills_server import Network

SHORTEST_PAUSE = 2.0  # seconds between two kills
START_UP = 0.2  # share of kills that need not wait until a job works
WHILE_LOADING = 0.3  # chance at each look that a download breaks off, so that it is met at all
ENDS_WITHIN = 300.0  # seconds after a signal that the driver is given
STUCK = 4  # starts without a kill that end with an error


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

    def __init__(
        self, run: Run, network: Network | None, *, kills: int, seed: int, pause: float
    ) -> None:
        self.run, self.network, self.pause = run, network, pause
        self.draw = random.Random(seed)
        self.strikes = dict(SLURM if run.cluster else LOCAL)
        if network is None:
            del self.strikes[NETWORK]
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
        pause = self.draw.uniform(SHORTEST_PAUSE, self.pause)
        waits = self.draw.random() > START_UP
        end = time.monotonic() + pause
        while time.monotonic() < end:
            if (status := self.run.wait(0.5)) is not None:
                return status
            if NETWORK in self.deck and loads(self.run) and self.draw.random() < WHILE_LOADING:
                return None
            if waits := waits and not job_processes(self.run.folder):
                end = time.monotonic() + pause
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
            ended = f"driver ended ({status})"
            if not self.rows or not any(ended in event for event in self.rows[-1].events):
                self._note(ended)
            self._note("same command again")
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
            print(row.row(), file=sys.stderr, flush=True)
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
        seconds = time.monotonic() - self.run.began
        print(
            f"round of {len(rows)} kills, {self.run.starts} starts, {seconds:.0f} s: "
            f"{len(differing)} of {len(names)} files differ, "
            f"{self.run.left_over()} temporary files are left",
            file=sys.stderr,
            flush=True,
        )
