"""The driver's `sbatch` and `sacct`: SLURM's own, but they do not fail while SLURM is away.

Snakemake's SLURM plugin fails a job that cannot be submitted at once, and waits for ever for jobs
whose state it could not learn. The driver therefore puts `workflow/slurm` first in its PATH, whose
scripts call this module:

    python -m nicheclip.slurm.client sbatch|sacct ARGUMENTS
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import uuid4

from nicheclip.runtime.driver_watch import identity
from nicheclip.runtime.locks import lock
from nicheclip.slurm import jobs as slurm_jobs
from nicheclip.slurm.driver import FOLDER, INTERRUPTED, QUERY_OF_STATES

WRAPPERS = Path(__file__).parents[3] / "workflow/slurm"
PAUSE = 5.0  # seconds between attempts
SUBMIT_FOR = 24 * 3600.0  # seconds; then the job fails
ANSWER_WITHIN = 45.0  # seconds; the plugin gives a query 60 and then asks again
interrupted: list[int] = []  # signals that came


def patient_environment(own: Mapping[str, str]) -> dict[str, str]:
    """Environment variables by which a driver submits and watches jobs through this module.

    Args:
        own: the driver's environment.
    """
    return {
        "PATH": os.pathsep.join([str(WRAPPERS), own["PATH"]]),
        # The log of a job that is requeued keeps what its earlier starts said.
        "SBATCH_OPEN_MODE": own.get("SBATCH_OPEN_MODE", "append"),
        "NICHECLIP_PYTHON": sys.executable,
        "NICHECLIP_DRIVER": identity(os.getpid()),
        "NICHECLIP_DRIVER_FOLDER": str(FOLDER.resolve()),
    }


def real(command: str) -> str | None:
    """SLURM's own program of this name: the first in PATH that is not a wrapper of the driver."""
    folders = os.environ.get("PATH", "").split(os.pathsep)
    wrappers = {WRAPPERS.resolve(), Path(os.environ.get("NICHECLIP_WRAPPERS", WRAPPERS)).resolve()}
    others = [f for f in folders if f and Path(f).resolve() not in wrappers]
    return shutil.which(command, path=os.pathsep.join(others))


def ask(command: str, *arguments: str, seconds: float = 30) -> subprocess.CompletedProcess[str]:
    """Run one of SLURM's programs; one that does not answer in time has failed."""
    program = real(command)
    if program is None:
        absent = f"{command}: not found; is SLURM installed here?\n"
        return subprocess.CompletedProcess(command, 127, "", absent)
    call = [program, *arguments]
    try:
        return subprocess.run(
            call, capture_output=True, text=True, check=False, timeout=seconds, process_group=0
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(call, 1, "", f"{command}: no answer in {seconds:g} s")


def gives_up() -> str:
    """Why no (further) attempt is made to submit: the driver is gone, or was interrupted."""
    driver = os.environ.get("NICHECLIP_DRIVER", "")
    if driver and identity(int(driver.split()[0])) != driver:
        return "the driver that asks has ended; nothing was submitted\n"
    return "interrupted; nothing was submitted\n" if is_interrupted() else ""


def is_interrupted() -> bool:
    """Whether Ctrl-C has come, here or to the driver."""
    folder = os.environ.get("NICHECLIP_DRIVER_FOLDER")
    return bool(interrupted) or bool(folder and (Path(folder) / INTERRUPTED).exists())


def note_run(folder: Path, run: str) -> None:
    """Write the run's name into the driver's folder: whole, and only where it is not there yet."""
    file = folder / "run"
    if file.exists() and file.read_text() == run:
        return
    temporary = folder / f"run.{uuid4().hex}"
    temporary.write_text(run)
    temporary.replace(file)


def submit(arguments: Sequence[str]) -> int:
    """Submit a job; while SLURM is away or takes no more jobs, wait and try again.

    The run's name is noted in the driver's folder first, so that the next driver finds the jobs of
    one that was killed; it waits (for ``submitting``) until no submission is under way.
    """
    script = b"" if sys.stdin.isatty() else sys.stdin.buffer.read()
    run = slurm_jobs.value_of("--job-name", arguments)
    arguments = slurm_jobs.with_own_comment(arguments, uuid4().hex[:12])
    program = real("sbatch")
    if program is None:
        sys.exit("sbatch: not found; is SLURM installed here?")
    if folder := os.environ.get("NICHECLIP_DRIVER_FOLDER"):
        lock(Path(folder) / "submitting", wait=True, shared=True)
        if why := gives_up():
            sys.stderr.write(why)
            return 1
        note_run(Path(folder), run)
    end = time.monotonic() + SUBMIT_FOR
    while True:
        call = [program, *arguments]
        done = subprocess.run(call, input=script, capture_output=True, check=False, process_group=0)
        refused = done.stderr.decode(errors="replace")
        may_wait = slurm_jobs.worth_waiting(refused) and time.monotonic() < end
        if done.returncode == 0 or not may_wait or gives_up():
            sys.stdout.write(done.stdout.decode())
            sys.stderr.write(refused)
            return done.returncode
        time.sleep(PAUSE)
        # An answer may have been lost after the job was taken.
        if taken := waiting_or_running(run, slurm_jobs.value_of("--comment", arguments)):
            print(taken)
            return 0


def waiting_or_running(run: str, comment: str) -> str:
    """The number of the run's job (or array) with this comment, if SLURM has it."""
    if not run or not comment:
        return ""
    answer = ask(
        "squeue", "--all", "--noheader", "--name", run, "--format", slurm_jobs.ARRAY_STATES
    )
    found = [job.number for job in slurm_jobs.parse_jobs(answer.stdout) if job.text == comment]
    return found[-1] if answer.returncode == 0 and found else ""


def states(arguments: Sequence[str]) -> int:
    """Answer the plugin's query for the states of a run's jobs, from squeue if sacct cannot.

    Both tell the tasks of an array apart (123_4); the raw number that the plugin asks for would
    make it take the state of one task for that of all. An interrupted driver, which ends with its
    last query, is told of no job where SLURM is away: after a failure it would ask again and again.
    """
    run = slurm_jobs.value_of("--name", arguments)
    arguments = [w.replace(QUERY_OF_STATES, "--format=JobID,State") for w in arguments]
    end = time.monotonic() + ANSWER_WITHIN
    while True:
        answer = ask("sacct", *arguments, seconds=10)
        if answer.returncode != 0:
            flags = ("--all", "--noheader", "--states=all", "--name", run, "--format", "%i|%T")
            answer = ask("squeue", *flags, seconds=20)
        if answer.returncode == 0 or is_interrupted() or time.monotonic() + 30 > end:
            break
        time.sleep(PAUSE)
    if answer.returncode == 0 and time.monotonic() + 20 < end:
        cancel_hopeless(run)
    sys.stdout.write(answer.stdout)
    sys.stderr.write(answer.stderr)
    return 0 if is_interrupted() else answer.returncode


def cancel_hopeless(run: str) -> None:
    """Cancel jobs that SLURM accepted but will never start, and note why for the driver's end."""
    flags = ("--noheader", "--states=PENDING", "--name", run, "--format", slurm_jobs.REASONS)
    waiting = slurm_jobs.parse_jobs(ask("squeue", *flags, seconds=10).stdout)
    hopeless = [job for job in waiting if slurm_jobs.is_hopeless(job)]
    if not hopeless:
        return
    if folder := os.environ.get("NICHECLIP_DRIVER_FOLDER"):
        with (Path(folder) / "hopeless").open("a") as file:
            file.writelines(f"{job.number}|PENDING|{job.text}\n" for job in hopeless)
    ask("scancel", *(job.number for job in hopeless), seconds=10)


def reason(arguments: Sequence[str]) -> int:
    """Answer the plugin's query for why a step failed, with the job's reason if sacct cannot."""
    answer = ask("sacct", *arguments, seconds=10)
    job, _, step = slurm_jobs.value_of("-j", arguments).partition(".")
    if answer.returncode != 0 and step == "0":
        answer = ask("squeue", "--noheader", "--states=all", "-j", job, "--format", "%r")
    sys.stdout.write(answer.stdout)
    return 0


def sacct(arguments: Sequence[str]) -> int:
    """SLURM's own answers whatever is not one of the plugin's two queries."""
    if QUERY_OF_STATES in arguments:
        return states(arguments)
    if "--format=Reason" in arguments:
        return reason(arguments)
    program = real("sacct")
    if program is None:
        sys.exit("sacct: not found; is SLURM installed here?")
    return subprocess.run([program, *arguments], check=False).returncode


def main() -> None:
    """The wrapper scripts' command line."""
    # Ctrl-C is for the driver, which then cancels its jobs and must know of them: a question to
    # SLURM is brought to its end (in a process group that the terminal does not reach).
    signal.signal(signal.SIGINT, lambda number, _: interrupted.append(number))
    name, *arguments = sys.argv[1:]
    sys.exit({"sbatch": submit, "sacct": sacct}[name](arguments))


if __name__ == "__main__":
    main()
