"""What SLURM jobs asked for and what they used, of a test cluster on this machine.

    PYTHONPATH=src python benchmarks/slurm_used.py FOLDER    # of the cluster; until Ctrl-C
    PYTHONPATH=src python benchmarks/slurm_demo.py           # of a whole run

It has no accounting database (`sacct`), so memory is read while the jobs run: every second the
proportional share (PSS) of all processes of a job, Snakemake's own included. Jobs that did not end
well are left out.
"""

import re
import signal
import sys
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/slurm"), str(ROOT / "src")]

from cluster import Cluster  # noqa: E402
from kills_processes import SCRIPT, steps  # noqa: E402
from processes import arguments, family  # noqa: E402

SECONDS = 1.0
FORMAT = "%A|%m|%l|%M|%T"  # %A: a number for each task of an array as well
UNITS = {"M": 1, "G": 1 << 10, "T": 1 << 20}


@dataclass
class Used:
    """One SLURM job."""

    stages: set[str] = field(default_factory=set)
    peak_mb: float = 0.0
    asked_mb: float = 0.0
    asked_minutes: float = 0.0
    minutes: float = 0.0
    state: str = ""


class Recorder:
    """Looks at the jobs of a cluster until it is left."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._jobs: dict[str, Used] = defaultdict(Used)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Recorder":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        lines = self._cluster.run("squeue", "-h", "--states=all", "-o", FORMAT)
        for line in lines.splitlines():
            number, memory, limit, elapsed, state = line.split("|")
            job = self._jobs[number]
            job.asked_mb = float(memory[:-1]) * UNITS[memory[-1]]
            job.state = state
            job.asked_minutes, job.minutes = _minutes(limit), _minutes(elapsed)

    def _watch(self) -> None:
        while not self._end.wait(SECONDS):
            members: dict[str, set[int]] = defaultdict(set)
            for pid, job in steps().items():
                members[job] |= family({pid})
            for job, processes in members.items():
                used = self._jobs[job]
                used.peak_mb = max(used.peak_mb, sum(map(_pss_mb, processes)))
                for pid in processes:
                    if script := SCRIPT.search(arguments(pid)):
                        used.stages.add(script[1])

    def table(self) -> str:
        """A row for each rule, or group that shares a job; asked is what the first try asks for."""
        by_stage: dict[str, list[Used]] = defaultdict(list)
        for job in [job for job in self._jobs.values() if job.state == "COMPLETED"]:
            by_stage[" + ".join(sorted(job.stages)) or "not seen"].append(job)
        rows = [
            "| rule | jobs | memory asked, MB | used at most, MB | share | "
            "minutes asked | used at most |",
            "|---|---|---|---|---|---|---|",
        ]
        for stage, jobs in sorted(by_stage.items()):
            asked, peak = min(j.asked_mb for j in jobs), max(j.peak_mb for j in jobs)
            minutes, longest = min(j.asked_minutes for j in jobs), max(j.minutes for j in jobs)
            rows.append(
                f"| {stage} | {len(jobs)} | {asked:.0f} | {peak:.0f} | {peak / asked:.0%} | "
                f"{minutes:.0f} | {longest:.1f} |"
            )
        return "\n".join(rows)


def _pss_mb(pid: int) -> float:
    """Megabytes of a process, pages that it shares counted in part; 0 for one that is gone."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    found = re.search(r"^Pss: +(\d+) kB", text, re.M)
    return int(found[1]) / 1024 if found else 0.0


def _minutes(text: str) -> float:
    """Of SLURM's ``[days-][hours:]minutes:seconds``."""
    days, _, rest = text.rpartition("-")
    parts = [float(part) for part in rest.split(":")]
    seconds = sum(part * 60**power for power, part in enumerate(reversed(parts)))
    return float(days or 0) * 1440 + seconds / 60


def main() -> None:
    """Print one table when the signal comes."""
    with Recorder(Cluster(sys.argv[1])) as recorder:
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
    print(recorder.table())


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    main()
