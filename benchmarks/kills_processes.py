"""The processes of a run that is killed: which they are, whose, and which nobody owns any more."""

import re
import time
from dataclasses import dataclass, field
from pathlib import Path

from processes import arguments, family, pids

SECONDS_TO_END = 60.0
STEP = re.compile(r"slurmstepd: \[(\d+)")
SCRIPT = re.compile(r"\.snakemake/scripts/tmp\w+?\.(\w+)\.py")
ENGINE = "nicheclip.engine."


@dataclass(frozen=True)
class JobProcess:
    """A process that does the work of a job, not one of Snakemake's around it."""

    pid: int
    stage: str


def of_folder(folder: Path) -> set[int]:
    """Processes that work in ``folder`` or below."""
    found = set()
    for pid in pids():
        try:
            place = Path(f"/proc/{pid}/cwd").readlink()
        except OSError:  # gone, a zombie, or another user's
            continue
        if place == folder or folder in place.parents:
            found.add(pid)
    return found


def job_processes(folder: Path) -> list[JobProcess]:
    """What does the work of jobs now."""
    found = []
    for pid in sorted(of_folder(folder)):
        words = arguments(pid)
        if ENGINE in words and "srun" not in words.split()[0]:
            found.append(JobProcess(pid, "training process"))
        elif "python" in words.split(" ")[0] and (script := SCRIPT.search(words)):
            found.append(JobProcess(pid, script[1]))
    return found


def steps() -> dict[int, str]:
    """The processes through which SLURM runs steps, each with the number of its job."""
    named = {pid: STEP.match(arguments(pid)) for pid in pids()}
    return {pid: match[1] for pid, match in named.items() if match}


@dataclass
class Watch:
    """Sees which processes of a folder outlive their driver and their SLURM job, and how long."""

    folder: Path
    _first: dict[tuple[int, int], float] = field(default_factory=dict)
    longest: float = 0.0
    """Seconds that one of them lived so, since the last ``forget``."""
    too_long: set[str] = field(default_factory=set)
    """The command lines of those that lived longer than a minute."""

    def look(self, driver: int | None, jobs: set[str]) -> int:
        """Count the orphans of this moment.

        Args:
            driver: the living driver.
            jobs: numbers of the SLURM jobs that live.
        """
        living = {pid for pid, job in steps().items() if job in jobs}
        owned = family(living | ({driver} if driver else set()))
        now = time.monotonic()
        orphans = {key for pid in of_folder(self.folder) - owned if (key := _identity(pid))}
        self._first = {key: self._first.get(key, now) for key in orphans}
        for (pid, _), since in self._first.items():
            self.longest = max(self.longest, now - since)
            if now - since > SECONDS_TO_END:
                self.too_long.add(arguments(pid))
        return len(orphans)

    def forget(self) -> None:
        """Begin to measure anew."""
        self.longest = 0.0
        self.too_long = set()


def _identity(pid: int) -> tuple[int, int] | None:
    """Number and time of start; none for a process that is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else (pid, int(fields[19]))
