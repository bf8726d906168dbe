"""One workflow that is started, watched, killed, and started again by the same command."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from cluster import Cluster
from kills_processes import Watch

from nicheclip.runtime.files import sha256_file
from nicheclip.runtime.left_over import left_over
from workflow_run import environment

ROOT = Path(__file__).parents[1]
QUICK = ROOT / "tests/slurm/quick_snakemake.py"
COMPARED = (
    "acquire/**/*.parquet",
    "acquire/**/*.arrow",
    "acquire/**/*.tar",
    "captions/**/*.parquet",
    "texts/**/*.arrow",
    "models/**/*.safetensors",
    "models/**/history.csv",
    "features/**/*.safetensors",
    "evaluate/**/*.parquet",
    "tables/**/*",
    "figures/**/*.svg",
)
STEPS = re.compile(r"^(\d+) of (\d+) steps", re.M)
JOBS_LEFT = "has left SLURM jobs that are still there"
BY_HAND = ("--unlock", "IncompleteFilesException", "--rerun-incomplete")


@dataclass
class Run:
    """The workflow in ``folder``, in a clone of the project; its results lie in ``place``."""

    folder: Path
    options: list[str]
    cluster: Cluster | None
    place: Path = field(init=False)
    watch: Watch = field(init=False)
    driver: subprocess.Popen[bytes] | None = None
    starts: int = 0
    began: float = 0.0

    def __post_init__(self) -> None:
        names = [o for o in self.options if o.startswith("rehearsal=")]
        stem = Path(self.options[self.options.index("--configfile") + 1]).stem
        self.place = self.folder / "rehearsal" / stem if names else self.folder
        self.watch = Watch(self.folder)

    @property
    def log(self) -> Path:
        """What the last driver has said."""
        return self.folder / f"driver{self.starts:03d}.log"

    @property
    def said(self) -> str:
        """The same as text."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    @property
    def done(self) -> str:
        """How many jobs of the last start are done."""
        found = STEPS.findall(self.said)
        return f"{found[-1][0]} of {found[-1][1]}" if found else "none"

    def clear(self) -> None:
        """Nothing has been made; what belongs to the clone stays."""
        for name in ("results", ".snakemake", "rehearsal"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        for file in self.folder.glob("driver*.log"):
            file.unlink()
        self.starts, self.began = 0, time.monotonic()

    def start(self) -> None:
        """The command, always the same."""
        self.starts += 1
        with self.log.open("w") as log:
            self.driver = subprocess.Popen(
                [sys.executable, str(QUICK), *self.options],
                cwd=self.folder,
                env=self.cluster.env if self.cluster else environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def status(self) -> int | None:
        """The exit status of the driver; None while it lives."""
        assert self.driver is not None
        return self.driver.poll()

    def look(self) -> int:
        """Count the orphans; see ``Watch``."""
        living = self.driver.pid if self.driver and self.status() is None else None
        return self.watch.look(living, self.live_jobs())

    def live_jobs(self) -> set[str]:
        """The numbers of SLURM jobs that have not ended."""
        if not self.cluster:
            return set()
        states = "R,CG,S,CF,ST,PD"
        return set(self.cluster.run("squeue", "-h", "-t", states, "-o", "%i", check=False).split())

    def running(self) -> dict[str, str]:
        """Running SLURM jobs, each with its node."""
        if not self.cluster:
            return {}
        lines = self.cluster.run("squeue", "-h", "-t", "R", "-o", "%i %N", check=False)
        return dict(line.split()[:2] for line in lines.splitlines() if len(line.split()) > 1)

    def wait(self, seconds: float) -> int | None:
        """For the driver's end, at most so long; its exit status."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.look()
            if self.status() is not None:
                break
            time.sleep(min(1.0, max(0.0, end - time.monotonic())))
        return self.status()

    def wait_for_orphans(self, seconds: float = 75.0) -> None:
        """Until there is none, or some have lived longer than they may."""
        end = time.monotonic() + seconds
        while self.look() and time.monotonic() < end:
            time.sleep(1)

    def wait_for_jobs(self, seconds: float = 600.0) -> None:
        """Until no SLURM job lives, as a refused driver asks for."""
        end = time.monotonic() + seconds
        while self.live_jobs() and time.monotonic() < end:
            self.look()
            time.sleep(1)

    def digests(self) -> dict[str, str]:
        """Of all that must be the same bytes."""
        found = [f for one in COMPARED for f in self.place.glob(f"results/{one}") if f.is_file()]
        spare = set(left_over(self.place / "results"))
        found = [file for file in found if spare.isdisjoint((file, *file.parents))]
        return {str(f.relative_to(self.place)): sha256_file(f) for f in found}

    def left_over(self) -> int:
        """Temporary files and folders that nobody has removed."""
        return sum(1 for _ in left_over(self.place / "results"))

    def end(self) -> None:
        """Leave no process behind, whatever was found."""
        if self.driver and self.status() is None:
            os.killpg(self.driver.pid, signal.SIGKILL)
            self.driver.wait()
        if self.cluster:
            self.cluster.run("scancel", "-u", os.geteuid(), check=False)
