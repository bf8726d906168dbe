"""What the driver does for itself: after one that was killed, and for its SLURM jobs. No rules here."""

import atexit
import os
import shutil
import sys
from importlib import import_module
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

from nicheclip.plan.resources import LARGEST, largest_request
from nicheclip.runtime.driver_lock import take_over
from nicheclip.runtime.driver_watch import announce
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.last_words import (
    STOPPED,
    Interrupts,
    say_at_the_end,
    why_jobs_failed,
)
from nicheclip.runtime.left_over import remove_left_over
from nicheclip.runtime.scheduler import wake_for_jobs_alone
from nicheclip.slurm import driver as slurm_driver
from nicheclip.slurm.client import patient_environment
from nicheclip.slurm.jobs import impossible_requests


def kind_of_run():
    """local, slurm, or cluster for any other."""
    if not workflow.resource_settings.nodes:
        return "local"
    return "slurm" if shutil.which("sbatch") else "cluster"


def partition_limits():
    """The limits of each partition that the profile names."""
    from snakemake_executor_plugin_slurm.partitions import read_partition_file

    file = workflow.executor_settings.partition_config
    partitions = read_partition_file(file) if file else []
    return {partition.name: vars(partition.limits) for partition in partitions}


def requests():
    """What each job that is to be submitted asks for, with the name of its rule."""
    return [
        (job.rule.name, {"threads": job.threads, **dict(job.resources.items())})
        for job in workflow.dag.needrun_jobs()
        if not job.is_local
    ]


RUN_KIND = kind_of_run()
# Functions that look before the first job; each may raise a WorkflowError. The rules add theirs.
BEFORE_FIRST_JOB = []
INTERRUPTS = Interrupts()
# A dry run only looks, also beside a driver that lives and where SLURM is not installed.
if workflow.is_main_process and not workflow.output_settings.dryrun:
    try:
        # held until this process ends
        SLURM_LOCK = slurm_driver.hold_for(RUN_KIND)
    except InputError as error:
        raise WorkflowError(str(error)) from None
    if RUN_KIND == "slurm":
        os.environ.update(patient_environment(dict(os.environ)))
        slurm_driver.send_what_is_ready(
            import_module("snakemake_executor_plugin_slurm")
        )
        slurm_driver.note_interrupts()
        atexit.register(slurm_driver.leave_no_jobs)
    DRIVER_LOCK = take_over(RUN_KIND)  # likewise
    announce()
    remove_left_over(Path("results"))
    INTERRUPTS.watch()
    logger.addFilter(lambda record: not INTERRUPTS.hides(record))


def look_at_partitions():
    """Stop before a job that no partition takes, and bound what further attempts ask for.

    Raises:
        WorkflowError: names the rules of such jobs.
    """
    limits = partition_limits()
    if impossible := impossible_requests(requests(), limits):
        raise WorkflowError(
            "No partition takes the jobs of these rules; nothing was submitted. Change what they "
            "ask for (--set-resources, the config) or the limits in the profile's partitions.yaml.",
            *(f"{rule}: {'; '.join(lines)}" for rule, lines in impossible.items()),
        )
    LARGEST.mem_mb = largest_request(limits.values(), "mem_mb")
    LARGEST.runtime = largest_request(limits.values(), "runtime")


onstart:
    wake_for_jobs_alone(workflow.scheduler)
    # the settings of the executor are known from here on
    if RUN_KIND == "slurm":
        look_at_partitions()
    for look in BEFORE_FIRST_JOB:
        look()


onerror:
    if RUN_KIND == "slurm" and (
        ended := slurm_driver.what_slurm_ended(Path(".snakemake/slurm_logs"))
    ):
        print(
            "Ended by SLURM, some of them perhaps retried:",
            *ended,
            sep="\n  ",
            file=sys.stderr,
        )
    if words := STOPPED if INTERRUPTS.noted else why_jobs_failed(log):
        say_at_the_end(words)
