"""One driver of SLURM jobs per working folder, and no jobs of a dead one beside it.

A driver that is killed leaves its jobs running. They write the outputs that the next driver would
have made anew, at the same time and into the same files. So each driver holds the lock of its
folder while it lives, its submissions note the run's name there (nicheclip.slurm.client), and the
next driver asks SLURM whether jobs of that name are left.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path
from types import FrameType, ModuleType

from nicheclip.runtime.driver_lock import RunKind
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.locks import LockedError, lock
from nicheclip.slurm import jobs as slurm_jobs

FOLDER = Path(".snakemake/slurm-driver")
INTERRUPTED = "interrupted"  # in the folder: what waits for SLURM waits no longer
PROFILES = ("slurm", "profiles")  # --profile slurm, --profile profiles/slurm
QUERY_OF_STATES = "--format=JobIdRaw,State"  # of sacct, as the plugin asks for the states of jobs
LONGEST_RUN = 60  # days
ENDING_WITHIN = 180.0  # seconds: cancelled jobs get a grace of (KillWait) seconds to end
WAIT = "NICHECLIP_JOBS_LEFT"  # in the environment: refuse (unless given), or wait
PAUSE = 10.0  # seconds between questions after jobs that are waited for
SAY_EVERY = 600.0  # seconds
STARTS = 5  # attempts to lock the folder: is_held of another process takes it for a moment

TWO_DRIVERS = """\
another driver runs SLURM jobs in this folder: {who}
Wait until it has ended, or end it: SIGINT (Ctrl-C) cancels its jobs, SIGTERM lets the running ones
finish. Do not use --unlock while it runs."""

JOBS_LEFT = """\
the last driver here, killed or interrupted, has left SLURM jobs that are still there: {jobs}
They write the same outputs. Wait until this shows no more jobs:
    squeue --name {run}
or cancel them:
    scancel --name {run}
Then give the same command again. With NICHECLIP_JOBS_LEFT=wait it waits by itself."""

WAITS = """\
waiting for SLURM jobs that the last driver here, killed or interrupted, has left: {jobs}
To cancel them: scancel --name {run}"""

NO_ANSWER = """\
the last driver here, killed or interrupted, may have left SLURM jobs, and SLURM does not say:
    squeue --name {run}
    {said}
Give the same command again when SLURM answers. If no such job can be left, remove {file}."""


def hold(folder: Path = FOLDER) -> int:
    """Lock the folder for this driver.

    Returns:
        The lock, which ends with this process.

    Raises:
        InputError: another driver lives, or the file system has no locks.
    """
    for _ in range(STARTS):
        try:
            held = lock(folder / "lock", wait=False, required=True)
            break
        except LockedError:
            time.sleep(0.1)
    else:
        who = (folder / "lock").read_text() or "one that just starts"
        raise InputError(TWO_DRIVERS.format(who=who))
    (folder / "lock").write_text(f"process {os.getpid()} on {socket.gethostname()}")
    (folder / INTERRUPTED).unlink(missing_ok=True)
    return held


def hold_for(kind: RunKind, folder: Path = FOLDER) -> int | None:
    """Go on only if no jobs of a dead driver are left, and for SLURM jobs if no driver lives.

    Returns:
        The lock of a driver of SLURM jobs, which ends with this process.

    Raises:
        InputError: as ``hold`` and ``ensure_no_jobs_of_a_dead_driver``.
    """
    held = hold(folder) if kind == "slurm" else None
    if kind == "slurm" or not is_held(folder):
        ensure_no_jobs_of_a_dead_driver(folder)
    return held


def send_what_is_ready(plugin: ModuleType) -> None:
    """Let a job array hold the jobs of a rule that the scheduler has chosen.

    Snakemake's SLURM plugin (2.8.0; its issue 473) drops them where `jobs` or a resource has left
    room for only some of those that are ready: it waits for the others, which the scheduler never
    sends without room, and the run hangs.

    Args:
        plugin: changed, if it counts what is ready.
    """
    if hasattr(plugin, "pending_jobs_for_rule"):
        plugin.pending_jobs_for_rule = lambda dag, rule: 0


def note_interrupts(folder: Path = FOLDER) -> None:
    """Let Ctrl-C also end submissions that wait for SLURM, and those that still wait their turn."""
    before = signal.getsignal(signal.SIGINT)
    if not callable(before):
        return  # ignored, as in what a shell has started in the background

    def note(number: int, frame: FrameType | None) -> None:
        (folder / INTERRUPTED).touch()
        before(number, frame)

    signal.signal(signal.SIGINT, note)


def link_profiles(folder: Path) -> None:
    """Let a rehearsal in ``folder`` find the profile's partitions.yaml.

    Snakemake takes a profile's files from the folder where it was started, `slurm/partitions.yaml`,
    but the plugin opens them after the change to the rehearsal's folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in PROFILES:
        link = folder / name
        if Path(name).is_dir() and not link.exists():
            link.unlink(missing_ok=True)  # it leads nowhere: the project was moved
            link.symlink_to(os.path.relpath(name, folder), target_is_directory=True)


def is_held(folder: Path = FOLDER) -> bool:
    """Whether a living driver holds the folder."""
    if not (folder / "lock").exists():
        return False
    try:
        os.close(lock(folder / "lock", wait=False, shared=True))
    except LockedError:
        return True
    return False


def last_run(folder: Path = FOLDER) -> str:
    """The name of the last driver's jobs, unless it is known that none is left."""
    file = folder / "run"
    return file.read_text().strip() if file.exists() else ""


def ensure_no_jobs_of_a_dead_driver(folder: Path = FOLDER) -> None:
    """Return when no job of the last driver is left; jobs that are ending are waited for.

    With NICHECLIP_JOBS_LEFT=wait all of them are, for a driver that nobody watches (a requeued
    job).

    Raises:
        InputError: jobs are left, or SLURM does not answer; the message says what to do.
    """
    waits = _waits(os.environ.get(WAIT, "refuse"))
    run = last_run(folder)
    if not run:
        return
    os.close(lock(folder / "submitting", wait=True))
    end = time.monotonic() + ENDING_WITHIN
    say_at = time.monotonic()
    while jobs := _jobs_of(run, folder):
        listed = ", ".join(f"{job.number} ({_rule(job)}, {job.state})" for job in jobs)
        ending = all(job.state == "COMPLETING" for job in jobs)
        if not waits and (time.monotonic() > end or not ending):
            raise InputError(JOBS_LEFT.format(run=run, jobs=listed))
        if waits and time.monotonic() >= say_at:
            print(WAITS.format(run=run, jobs=listed), file=sys.stderr, flush=True)
            say_at += SAY_EVERY
        time.sleep(1 if ending else PAUSE)
    forget(folder)


def _waits(chosen: str) -> bool:
    if chosen not in ("refuse", "wait"):
        raise InputError(f"{WAIT}={chosen}: refuse or wait, in the environment of the driver")
    return chosen == "wait"


def _rule(job: slurm_jobs.Job) -> str:
    return job.text.rpartition(slurm_jobs.TOKEN)[0] or job.text


def _jobs_of(run: str, folder: Path) -> list[slurm_jobs.Job]:
    said = "squeue is not installed here"
    if shutil.which("squeue"):
        call = ["squeue", "--all", "--noheader", "--name", run, "--format", slurm_jobs.STATES]
        done = subprocess.run(call, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return slurm_jobs.parse_jobs(done.stdout)
        said = done.stderr.strip()
    raise InputError(NO_ANSWER.format(run=run, said=said, file=folder / "run"))


def forget(folder: Path = FOLDER) -> None:
    """No job of the last driver is left."""
    for name in ("run", "hopeless", INTERRUPTED):
        (folder / name).unlink(missing_ok=True)


def leave_no_jobs(folder: Path = FOLDER) -> None:
    """At the end of a driver: cancel what it has lost sight of.

    The plugin forgets jobs that it asks SLURM about at the moment of an interruption.
    """
    run = last_run(folder)
    if not run:
        return
    try:
        if _jobs_of(run, folder):
            subprocess.run(["scancel", "--name", run], capture_output=True, check=False)
        else:
            forget(folder)
    except InputError as error:
        print(error, file=sys.stderr)  # the next driver asks again


def what_slurm_ended(logs: Path, folder: Path = FOLDER) -> list[str]:
    """A line for each job of the last run that SLURM ended, or would never have started.

    Args:
        logs: the folder of the plugin's logs, `RULE/.../NUMBER.log`.
        folder: of the driver.
    """
    run = last_run(folder)
    if not run:
        return []
    since = f"--starttime={date.today() - timedelta(days=LONGEST_RUN)}"
    call = ["sacct", "-X", "--parsable2", "--noheader", since, QUERY_OF_STATES, "--name", run]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    lines = []
    for job in slurm_jobs.parse_jobs(done.stdout):
        log = next(logs.rglob(f"{job.number}.log"), None)
        text = log.read_text(errors="replace") if log else ""
        if state := slurm_jobs.ended_by_slurm(job.state, text):
            rule = log.relative_to(logs).parts[0] if log else "a job without a log"
            lines.append(f"{job.number} ({rule}): {state}, {slurm_jobs.CAUSES[state]}")
    hopeless = folder / "hopeless"
    lines += [
        f"{job.number}: cancelled, since SLURM would never have started it: {job.text}"
        for job in dict.fromkeys(
            slurm_jobs.parse_jobs(hopeless.read_text() if hopeless.exists() else "")
        )
    ]
    return lines
