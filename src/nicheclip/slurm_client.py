"""The driver's `sbatch` and `sacct`: SLURM's own, but they do not fail while SLURM is away.

Snakemake's SLURM plugin fails a job that cannot be submitted at once, and waits for ever for jobs
whose state it could not learn. The driver therefore puts `workflow/slurm` first in its PATH, whose
scripts call this module:

    python -m nicheclip.slurm_client sbatch|sacct ARGUMENTS
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

from nicheclip import slurm_jobs
from nicheclip.locks import lock

WRAPPERS = Path(__file__).parents[2] / "workflow/slurm"
PAUSE = 5.0  # seconds between attempts
SUBMIT_FOR = 24 * 3600.0  # seconds; then the job fails
ANSWER_WITHIN = 45.0  # seconds; the plugin gives a query 60 and then asks again
interrupted: list[int] = []  # signals that came


def real(command: str) -> str:
    """SLURM's own program of this name: the first in PATH that is not a wrapper of the driver."""
    folders = os.environ.get("PATH", "").split(os.pathsep)
    others = [f for f in folders if f and Path(f).resolve() != WRAPPERS.resolve()]
    program = shutil.which(command, path=os.pathsep.join(others))
    if program is None:
        sys.exit(f"{command}: not found; is SLURM installed here?")
    return program


def ask(command: str, *arguments: str, seconds: float = 30) -> subprocess.CompletedProcess[str]:
    """Run one of SLURM's programs; one that does not answer in time has failed."""
    call = [real(command), *arguments]
    try:
        return subprocess.run(
            call, capture_output=True, text=True, check=False, timeout=seconds, process_group=0
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(call, 1, "", f"{command}: no answer in {seconds:g} s")


def driver_lives() -> bool:
    """Whether the driver that asks still runs; true where none has said its number."""
    number = os.environ.get("NICHECLIP_DRIVER", "")
    try:
        os.kill(int(number), 0) if number else None
    except ProcessLookupError:
        return False
    return True


def submit(arguments: Sequence[str]) -> int:
    """Submit a job; while SLURM is away or takes no more jobs, wait and try again.

    The run's name is noted in the driver's folder first, so that the next driver finds the jobs of
    one that was killed; it waits (for ``submitting``) until no submission is under way.
    """
    script = b"" if sys.stdin.isatty() else sys.stdin.buffer.read()
    run = slurm_jobs.value_of("--job-name", arguments)
    arguments = slurm_jobs.with_own_comment(arguments, uuid4().hex)
    if folder := os.environ.get("NICHECLIP_DRIVER_FOLDER"):
        lock(Path(folder) / "submitting", wait=True, shared=True)
        if not driver_lives():
            return 1
        (Path(folder) / "run").write_text(run)
    end = time.monotonic() + SUBMIT_FOR
    while True:
        call = [real("sbatch"), *arguments]
        done = subprocess.run(call, input=script, capture_output=True, check=False, process_group=0)
        refused = done.stderr.decode(errors="replace")
        may_wait = slurm_jobs.worth_waiting(refused) and time.monotonic() < end
        if done.returncode == 0 or not may_wait or interrupted or not driver_lives():
            sys.stdout.write(done.stdout.decode())
            sys.stderr.write(refused)
            return done.returncode
        time.sleep(PAUSE)
        # An answer may have been lost after the job was taken.
        if taken := waiting_or_running(run, slurm_jobs.value_of("--comment", arguments)):
            print(taken)
            return 0


def waiting_or_running(run: str, comment: str) -> str:
    """The number of the run's job with this comment, if SLURM has one that has not ended."""
    if not run or not comment:
        return ""
    answer = ask("squeue", "--noheader", "--name", run, "--format", slurm_jobs.STATES)
    found = [job.number for job in slurm_jobs.parse_jobs(answer.stdout) if job.text == comment]
    return found[-1] if answer.returncode == 0 and found else ""


def states(arguments: Sequence[str]) -> int:
    """Answer the plugin's query for the states of a run's jobs, from squeue if sacct cannot."""
    run = slurm_jobs.value_of("--name", arguments)
    end = time.monotonic() + ANSWER_WITHIN
    while True:
        answer = ask("sacct", *arguments, seconds=10)
        if answer.returncode != 0:
            flags = ("--noheader", "--states=all", "--name", run, "--format", "%i|%T")
            answer = ask("squeue", *flags, seconds=20)
        if answer.returncode == 0 or time.monotonic() + 30 > end:
            break
        time.sleep(PAUSE)
    if answer.returncode == 0:
        cancel_hopeless(run)
    sys.stdout.write(answer.stdout)
    sys.stderr.write(answer.stderr)
    return answer.returncode


def cancel_hopeless(run: str) -> None:
    """Cancel jobs that SLURM accepted but will never start, and note why for the driver's end."""
    flags = ("--noheader", "--states=PENDING", "--name", run, "--format", slurm_jobs.REASONS)
    for job in slurm_jobs.parse_jobs(ask("squeue", *flags, seconds=10).stdout):
        if slurm_jobs.is_hopeless(job):
            if folder := os.environ.get("NICHECLIP_DRIVER_FOLDER"):
                with (Path(folder) / "hopeless").open("a") as file:
                    file.write(f"{job.number}|PENDING|{job.text}\n")
            ask("scancel", job.number, seconds=10)


def reason(arguments: Sequence[str]) -> int:
    """Answer the plugin's query for why a step failed, with the job's reason if sacct cannot."""
    answer = ask("sacct", *arguments, seconds=10)
    job, _, step = slurm_jobs.value_of("-j", arguments).partition(".")
    if answer.returncode != 0 and step == "0":
        answer = ask("squeue", "--noheader", "--states=all", "-j", job, "--format", "%r")
    sys.stdout.write(answer.stdout)
    return 0


def account(arguments: Sequence[str]) -> int:
    """`sacct`; SLURM's own answers whatever is not one of the plugin's two queries."""
    if slurm_jobs.value_of("--name", arguments):
        return states(arguments)
    if "--format=Reason" in arguments:
        return reason(arguments)
    return subprocess.run([real("sacct"), *arguments], check=False).returncode


def main() -> None:
    """The wrapper scripts' command line."""
    # Ctrl-C is for the driver, which then cancels its jobs and must know of them: a question to
    # SLURM is brought to its end (in a process group that the terminal does not reach).
    signal.signal(signal.SIGINT, lambda number, _: interrupted.append(number))
    name, *arguments = sys.argv[1:]
    sys.exit({"sbatch": submit, "sacct": account}[name](arguments))


if __name__ == "__main__":
    main()
