"""Drivers of the small workflow on the test cluster: start, signal, collect."""

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SMALL = HERE / "small"


class Driver:
    """A run of the small workflow in ``folder``, from its start."""

    def __init__(self, cluster, folder, *arguments):
        self.cluster = cluster
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.log = folder / f"driver{len(list(folder.glob('driver*.log')))}.log"
        command = [sys.executable, HERE / "quick_snakemake.py", *arguments]
        command += ["--snakefile", SMALL / "Snakefile", "--profile", SMALL / "profile"]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                list(map(str, command)),
                cwd=folder,
                env=cluster.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self):
        return self.log.read_text()

    def send(self, number):
        """A signal to the driver alone, not to what it has started."""
        self.process.send_signal(number)

    def end(self, seconds=300):
        """Wait for the end; the exit status."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            queue = self.cluster.run("squeue", "--states=all", check=False)
            raise AssertionError(f"not ended in {seconds} s:\n{self.output}\n{queue}") from None

    def job(self, rule, seconds=180):
        """The number of the rule's newest job, once it was submitted."""
        self.wait_for(lambda: self._jobs(rule), seconds)
        return self._jobs(rule)[-1]

    def running(self, rule):
        """The number of the rule's newest job, once its command runs."""
        self.wait_for(lambda: self.runs(rule), 180)
        return self.job(rule)

    def runs(self, rule):
        """The lines that the rule's command has written, one for each time it was run."""
        file = self.folder / f"{rule}.runs"
        return file.read_text().split() if file.exists() else []

    def wait_for(self, condition, seconds=180):
        """Wait for a condition while the driver lives."""

        def answer():
            assert self.process.poll() is None or condition(), self.output
            return condition()

        self.cluster.wait_for(answer, seconds)

    def states(self):
        """The states of the run's jobs by rule, oldest first."""
        form = ("--noheader", "--states=all", "--sort=i", "--format=%k %T", "--name")
        found = {}
        for line in self.cluster.run("squeue", *form, self.run_name).splitlines():
            comment, state = line.split()
            rule = comment.removeprefix("rule_").rpartition("#")[0]
            found.setdefault(rule, []).append(state)
        return found

    @property
    def run_name(self):
        return re.search(r"SLURM run ID: (\S+)", self.output)[1]

    def _jobs(self, rule):
        return re.findall(rf"SLURM jobid (\d+) \(log: \S*/rule_{rule}/", self.output)
