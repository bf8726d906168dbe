"""The kinds of kills: each finds a target that is there now, strikes it, and says what it was."""

import os
import random
import resource
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from kills_processes import JobProcess, job_processes, of_folder
from kills_run import Run
from kills_server import Network
from processes import family

FULL_SECONDS = (5.0, 20.0)
AWAY_SECONDS = (5.0, 45.0)
DARK_SECONDS = (2.0, 15.0)

#: (run, network, draw) to what was struck; empty where there is no such target now
Strike = Callable[[Run, Network | None, random.Random], str]


def _driver(number: signal.Signals, *, group: bool = False) -> Strike:
    def strike(run: Run, network: Network | None, draw: random.Random) -> str:
        del network, draw
        if run.driver is None or run.status() is not None:
            return ""
        (os.killpg if group else os.kill)(run.driver.pid, number)
        return "driver and its children" if group else "driver"

    return strike


def _job(number: signal.Signals) -> Strike:
    def strike(run: Run, network: Network | None, draw: random.Random) -> str:
        del network
        if not (found := job_processes(run.folder)):
            return ""
        target = draw.choice(found)
        with suppress(ProcessLookupError):
            os.kill(target.pid, number)
            return target.stage
        return ""

    return strike


def _scancel(run: Run, network: Network | None, draw: random.Random) -> str:
    del network
    if not run.cluster or not (jobs := run.running()):
        return ""
    job = draw.choice(sorted(jobs))
    stage = _stage(run)
    run.cluster.run("scancel", job, check=False)
    return f"a job; running: {stage}"


def _time_out(run: Run, network: Network | None, draw: random.Random) -> str:
    del network
    if not run.cluster or not (jobs := run.running()):
        return ""
    job = draw.choice(sorted(jobs))
    stage = _stage(run)
    update = ("scontrol", "update", f"jobid={job}", "EndTime=now+1")
    run.cluster.run(*update, check=False)
    return f"a job; running: {stage}"


def _node(run: Run, network: Network | None, draw: random.Random) -> str:
    del network
    if not run.cluster or not (jobs := run.running()):
        return ""
    node = draw.choice(sorted(jobs.values()))
    stage = _stage(run)
    run.cluster.kill_node(node)
    _pause(run, draw.uniform(*DARK_SECONDS))
    run.cluster.start_node(node)
    return f"{node}; running: {stage}"


def _disk(run: Run, network: Network | None, draw: random.Random) -> str:
    """No file of the struck processes may grow; libraries meet that as they do a full disk."""
    del network
    jobs = job_processes(run.folder)
    if draw.random() < 0.3 and run.driver and run.status() is None:
        target, struck = "driver and its children", family({run.driver.pid})
    elif jobs:
        one: JobProcess = draw.choice(jobs)
        target, struck = one.stage, family({one.pid})
    else:
        return ""
    size, seconds = draw.choice((1 << 10, 64 << 10)), draw.uniform(*FULL_SECONDS)
    _limit(struck, size)
    _pause(run, seconds)
    _limit(of_folder(run.folder), resource.RLIM_INFINITY)
    return f"{target}, {size >> 10} kB, {seconds:.0f} s"


def _away(run: Run, network: Network | None, draw: random.Random) -> str:
    if network is None or not loads(run):
        return ""
    seconds = draw.uniform(*AWAY_SECONDS)
    network.away()
    _pause(run, seconds)
    network.back()
    return f"download, {seconds:.0f} s"


def loads(run: Run) -> bool:
    """Whether a download is under way."""
    return any(run.place.glob("results/downloads/**/*.part"))


def _limit(struck: set[int], size: int) -> None:
    for pid in struck:
        with suppress(ProcessLookupError, PermissionError):
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))


def _pause(run: Run, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        run.look()
        time.sleep(min(1.0, max(0.0, end - time.monotonic())))


def _stage(run: Run) -> str:
    return ", ".join(sorted({one.stage for one in job_processes(run.folder)})) or "start-up"


NETWORK = "network gone"
LOCAL: dict[str, Strike] = {
    "SIGKILL of driver": _driver(signal.SIGKILL),
    "SIGKILL of all": _driver(signal.SIGKILL, group=True),
    "SIGTERM of driver": _driver(signal.SIGTERM),
    "SIGINT of driver": _driver(signal.SIGINT),
    "Ctrl-C": _driver(signal.SIGINT, group=True),
    "SIGKILL of job": _job(signal.SIGKILL),
    "SIGTERM of job": _job(signal.SIGTERM),
    "SIGINT of job": _job(signal.SIGINT),
    "disk full": _disk,
    NETWORK: _away,
}
SLURM: dict[str, Strike] = LOCAL | {
    "scancel": _scancel,
    "time limit": _time_out,
    "node lost": _node,
}
