"""A real SLURM cluster on one machine for tests: a controller and three nodes.

python tests/slurm/cluster.py start|stop|status|env DIR
python tests/slurm/cluster.py kill-node|start-node DIR NODE
python tests/slurm/cluster.py stop-controller|start-controller DIR

Needs Debian's packages munge and slurm-wlm (`apt-get install --no-install-recommends munge
slurm-wlm`); root or an ordinary user. Key, sockets, ports, logs and state are the cluster's own and
in DIR, which should be short: a socket's path has 107 characters at most. As root, jobs get control
groups (version 1), which SLURM makes in /sys/fs/cgroup. There is no accounting database: `sacct`
fails, and `squeue --states=all` shows finished jobs for an hour.

Nodes: cpu1, cpu2, and gpu1 with two pretended GPUs, with 4 processors and 16,000 MB each.
Partitions: cpu (default; both nodes, also for jobs over two), gpu, and urgent, whose jobs pre-empt
those of cpu (these are requeued).
"""

import argparse
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from processes import arguments, end, family, listeners, pids
from slurm_conf import NODES, write_configuration

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DAEMONS = ("munged", "slurmctld", "slurmd", "sbatch")
CLIENTS = ("srun", "sbatch", "squeue", "scancel", "scontrol", "sinfo", "sacct", "sacctmgr", "sstat")
READY = ("idle", "mixed", "allocated", "completing")
OTHERS = ("SLURM_", "SBATCH_", "SRUN_", "SNAKEMAKE", "PYTHONPATH")


def missing():
    """Programs of SLURM that this machine lacks."""
    return [name for name in DAEMONS if not shutil.which(name, path=SYSTEM_PATH)]


class Cluster:
    """The cluster in ``folder``; every method may be called again when its work is done already."""

    def __init__(self, folder):
        self.folder = Path(folder).resolve()
        self.configuration = self.folder / "etc/slurm.conf"

    # --- what tests use ---

    @property
    def env(self):
        """The environment of a user of this cluster, for subprocess."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(OTHERS)}
        # The wrappers come first: Snakemake's job steps drop SLURM_CONF, but not PATH.
        path = [self.folder / "bin", Path(sys.executable).parent, kept.get("PATH", ""), SYSTEM_PATH]
        return kept | {
            "PATH": os.pathsep.join(map(str, path)),
            "SLURM_CONF": str(self.configuration),
        }

    def run(self, *command, check=True, **options):
        """The standard output of a command on this cluster, without the last line's end."""
        done = subprocess.run(
            list(map(str, command)),
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
            **options,
        )
        if check and done.returncode != 0:
            raise RuntimeError(
                f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            )
        return done.stdout.rstrip("\n")

    def job_state(self, job):
        """COMPLETED, RUNNING, ... of a job number; empty while the controller does not answer."""
        return self.run("squeue", "-h", "--states=all", "-j", job, "-o", "%T", check=False)

    def wait_for(self, predicate, seconds=180):
        """Ask until the answer is true and return it; fail after ``seconds``, with the queue."""
        deadline = time.monotonic() + seconds
        while not (answer := predicate()):
            if time.monotonic() > deadline:
                queue = self.run("squeue", "--states=all", check=False)
                raise TimeoutError(f"not so within {seconds} s\n{self.status()}\n{queue}")
            time.sleep(0.2)
        return answer

    def status(self):
        """The nodes and their states; empty while the controller does not answer."""
        return self.run("sinfo", "-N", "-o", "%N %P %T %c %m %G %E", check=False)

    # --- start and stop ---

    def start(self):
        """Start what does not run, and wait until every node takes jobs."""
        if absent := missing():
            raise RuntimeError(f"not installed: {', '.join(absent)} (packages munge, slurm-wlm)")
        with self._alone():
            # One that was stopped begins anew: other ports and no jobs.
            if fresh := not self._daemons():
                self._write()
            self._start_munge()
            self.start_controller(fresh=fresh)
            for node in NODES:
                self.start_node(node)

    def stop(self):
        """Cancel all jobs and end every process of the cluster."""
        with self._alone():
            if self._daemons("slurmctld"):
                self.run("scancel", "--state=PENDING", "-u", os.geteuid(), check=False)
                self.run("scancel", "--signal=KILL", "-u", os.geteuid(), check=False)
            for node in NODES:
                end(family(self._steps(node)), signal.SIGKILL)
            for name in ("slurmd", "slurmctld", "munged"):
                end(self._daemons(name))

    def kill_node(self, node):
        """End a node as a loss of power does, with all that runs on it.

        The controller is told, as a site's health check would, and need not wait for a time-out.
        """
        daemons, steps = self._daemons("slurmd", node), self._steps(node)
        end(daemons, signal.SIGKILL)
        end(family(steps), signal.SIGKILL)
        update = ("scontrol", "update", f"nodename={node}", "state=down", "reason=killed")
        self.run(*update, check=False)

    def start_node(self, node):
        """Start a node, and wait until it takes jobs."""
        if not self._daemons("slurmd", node):
            self.run("slurmd", "-N", node, "-f", self.configuration)
        self.wait_for(lambda: self._ready(node), seconds=60)

    def stop_controller(self):
        """End the controller; jobs run on."""
        end(self._daemons("slurmctld"))

    def start_controller(self, fresh=False):
        """Start the controller with the jobs that it knew, and wait until it answers."""
        if not self._daemons("slurmctld"):
            self.run("slurmctld", *["-c"] * fresh, "-f", self.configuration)
        self.wait_for(self.status, seconds=60)

    # --- inner parts ---

    @contextmanager
    def _alone(self):
        """One start or stop at a time."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _write(self):
        for name in ("run", "log", "state", "munge", "bin", *(f"spool/{node}" for node in NODES)):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for name in ("state", "munge"):
            (self.folder / name).chmod(0o700)
        key = self.folder / "munge/key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(128))
        write_configuration(self.folder)
        for name in CLIENTS:
            if program := shutil.which(name, path=SYSTEM_PATH):
                wrapper = self.folder / "bin" / name
                exports = f"export SLURM_CONF='{self.configuration}'"
                wrapper.write_text(f'#!/bin/sh\n{exports}\nexec {program} "$@"\n')
                wrapper.chmod(0o755)

    def _start_munge(self):
        if self._daemons("munged"):
            return
        for file in (self.folder / "run").glob("munge.sock*"):
            file.unlink()
        # --force: the folder may be below one that others cannot write, or that all can.
        self.run(
            "munged",
            "--force",
            f"--key-file={self.folder}/munge/key",
            f"--socket={self.folder}/run/munge.sock",
            f"--pid-file={self.folder}/run/munged.pid",
            f"--log-file={self.folder}/log/munged.log",
            f"--seed-file={self.folder}/munge/seed",
        )

    def _daemons(self, name="", node=""):
        """The daemons of this cluster: their command lines hold a path in its folder."""
        found = set()
        for pid in pids():
            words = arguments(pid).split()
            program = Path(words[0]).name if words else ""
            ours = any(f"{self.folder}/" in word for word in words)
            if (
                program in DAEMONS
                and ours
                and name in ("", program)
                and (not node or node in words)
            ):
                found.add(pid)
        return found

    def _steps(self, node):
        """The processes through which a node runs the steps of jobs."""
        return listeners(self.folder / "spool" / node) - self._daemons()

    def _ready(self, node):
        state = self.run("sinfo", "-h", "-n", node, "-N", "-o", "%T", check=False).split("\n")[0]
        if state.startswith(("down", "drain")):
            self.run("scontrol", "update", f"nodename={node}", "state=resume", check=False)
        return state in READY


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description="A real SLURM cluster on one machine for tests.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("start", "stop", "status", "env", "stop-controller", "start-controller"):
        commands.add_parser(name).add_argument("folder", type=Path)
    for name in ("kill-node", "start-node"):
        command = commands.add_parser(name)
        command.add_argument("folder", type=Path)
        command.add_argument("node", choices=NODES)
    given = parser.parse_args()
    cluster = Cluster(given.folder)
    if given.command == "env":
        print(f"export SLURM_CONF='{cluster.configuration}' PATH='{cluster.folder}/bin':\"$PATH\"")
    elif given.command == "status":
        print(cluster.status() or "the controller does not answer")
    else:
        method = getattr(cluster, given.command.replace("-", "_"))
        method(*[given.node] if "node" in given else [])


if __name__ == "__main__":
    main()
