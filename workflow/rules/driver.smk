"""What the driver does for itself: after one that was killed, and for its SLURM jobs. No rules here."""

import atexit
import os
import shutil
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from nicheclip.slurm import driver as slurm_driver
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.locks import LockedError, lock
from nicheclip.slurm.jobs import above_limits

FOLDER = Path(".snakemake")


def kind_of_run():
    """local, slurm, or cluster for any other."""
    if not workflow.resource_settings.nodes:
        return "local"
    return "slurm" if shutil.which("sbatch") else "cluster"


def take_over_from_a_killed_driver(kind):
    """Let the same command work again after `kill -9`.

    Snakemake's lock files outlive their driver; the kernel's lock on this file does not. When no
    driver lives, the files of a local one are removed, and those of a driver of SLURM jobs, since
    none of its jobs is left (see below). Those of another cluster's driver stay: its jobs may
    still be writing. Where the file system has no locks, nothing is known and all stay.
    """
    try:
        alone = lock(FOLDER / "driver.lock", wait=False, required=True)
        stale = list((FOLDER / "locks").glob("*.lock"))
        if stale and (FOLDER / "driver.lock").read_text() in ("local", "slurm"):
            for file in stale:
                file.unlink(missing_ok=True)
            stale = []
        if not stale:
            (FOLDER / "driver.lock").write_text(kind)
        os.close(alone)
    except (LockedError, InputError):
        pass
    return lock(FOLDER / "driver.lock", wait=True, shared=True)


def hold_slurm(kind):
    """Go on only if no jobs of a dead driver are left, and for SLURM jobs if no driver lives."""
    try:
        held = slurm_driver.hold() if kind == "slurm" else None
        if kind == "slurm" or not slurm_driver.is_held():
            slurm_driver.ensure_no_jobs_of_a_dead_driver()
    except InputError as error:
        raise WorkflowError(str(error)) from None
    return held


def use_patient_slurm_commands():
    """Jobs are submitted and watched through workflow/slurm, which waits while SLURM is away."""
    wrappers = str(REPOSITORY / "workflow" / "slurm")
    path = os.pathsep.join([wrappers, dict(os.environ)["PATH"]])
    # The log of a job that is requeued keeps what its earlier starts said.
    os.environ.setdefault("SBATCH_OPEN_MODE", "append")
    os.environ.update(
        PATH=path,
        NICHECLIP_PYTHON=sys.executable,
        NICHECLIP_DRIVER=slurm_driver.identity(os.getpid()),
        NICHECLIP_DRIVER_FOLDER=str(slurm_driver.FOLDER.resolve()),
    )


def slurm_limits():
    """The limits of each partition that the profile names."""
    from snakemake_executor_plugin_slurm.partitions import read_partition_file

    file = workflow.executor_settings.partition_config
    partitions = read_partition_file(file) if file else []
    return {partition.name: vars(partition.limits) for partition in partitions}


def impossible_requests():
    """For each rule with jobs that no partition takes, which resource is above which limit."""
    limits = slurm_limits()
    found = {}
    for job in workflow.dag.needrun_jobs():
        if job.is_local:
            continue
        asked = {"threads": job.threads, **dict(job.resources.items())}
        request = {k: v for k, v in asked.items() if isinstance(v, int | float)}
        named = asked.get("slurm_partition")
        able = {k: v for k, v in limits.items() if named in (None, "", k)}
        if lines := above_limits(request, able):
            found.setdefault(job.rule.name, lines)
    return found


RUN_KIND = kind_of_run()
if workflow.is_main_process:
    # A dry run only looks, also beside a driver that lives and where SLURM is not installed.
    if not workflow.output_settings.dryrun:
        SLURM_LOCK = hold_slurm(RUN_KIND)  # held until this process ends
        if RUN_KIND == "slurm":
            use_patient_slurm_commands()
            slurm_driver.note_interrupts()
            atexit.register(slurm_driver.leave_no_jobs)
        DRIVER_LOCK = take_over_from_a_killed_driver(RUN_KIND)  # likewise


onstart:
    if RUN_KIND == "slurm" and (impossible := impossible_requests()):
        raise WorkflowError(
            "No partition takes the jobs of these rules; nothing was submitted. Change what they "
            "ask for (--set-resources, the config) or the limits in the profile's partitions.yaml.",
            *(f"{rule}: {'; '.join(lines)}" for rule, lines in impossible.items()),
        )


onerror:
    if RUN_KIND == "slurm" and (
        ended := slurm_driver.what_slurm_ended(FOLDER / "slurm_logs")
    ):
        print(
            "Ended by SLURM, some of them perhaps retried:",
            *ended,
            sep="\n  ",
            file=sys.stderr,
        )
