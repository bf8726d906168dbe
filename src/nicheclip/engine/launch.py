"""Starting the processes of a training run: here, on one node, or on several of a SLURM job.

In a SLURM job they form a step of their own: SLURM sends its signals (pre-emption, time limit,
requeue) to the first process of each step. The first process of the job's first step is Snakemake
itself, which dies from these signals without forwarding them.
"""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping

from nicheclip.config.compute import ComputeConfig
from nicheclip.data.scratch import on_scratch
from nicheclip.engine.interruption import EXIT_STATUS, Interrupted, leaving_on_signals
from nicheclip.engine.task import Task, run_task
from nicheclip.runtime.errors import InputError

#: of SLURM's variables only these concern a new step; others would shape it as the one around it
OF_THE_JOB = {"SLURM_JOB_ID", "SLURM_JOBID", "SLURM_CONF", "SLURM_CLUSTER_NAME"}
#: how long the nodes of a run may outlive the first that ends
SECONDS_AFTER_THE_FIRST = 60


def launch(task: Task) -> None:
    """Do ``task`` in as many processes as its config asks for, and wait for them.

    Raises:
        InputError: several nodes without a SLURM job; otherwise as ``engine.run``.
        Interrupted: stopped on request; the same call resumes.
        SystemExit: a process failed and has said why.
    """
    compute = task.compute
    step = in_slurm_job() and shutil.which("srun") is not None
    if compute.nodes > 1 and not step:
        raise InputError(
            f"training: {compute.nodes} nodes asked for, but this is no SLURM job (or srun is "
            "not found in it). Set compute.nodes to 1, or run with --profile slurm."
        )
    if not step and compute.node_processes == 1:
        with leaving_on_signals(), on_scratch(task.data, task.scratch) as data:
            run_task(task, data)
        return
    command = [sys.executable, "-m", "nicheclip.engine.node", str(task.write())]
    if step:
        command = [*step_command(compute), *command]
    _run(command, launch_environment(os.environ))


def in_slurm_job() -> bool:
    """Whether this process belongs to a SLURM job."""
    return "SLURM_JOB_ID" in os.environ


def stop_time(started: float, compute: ComputeConfig) -> float | None:
    """When a job that ``started`` must stop to be within its time limit; None outside SLURM.

    Both in seconds since 1970.
    """
    return started + compute.stop_after if in_slurm_job() else None


def step_command(compute: ComputeConfig) -> list[str]:
    """What starts one process on each node of the job, with all of the job's memory and cores."""
    command = [
        "srun",
        "--overlap",  # beside the step that waits for it
        f"--nodes={compute.nodes}",
        f"--ntasks={compute.nodes}",
        "--ntasks-per-node=1",
        "--mem=0",
        "--cpu-bind=none",
        f"--wait={SECONDS_AFTER_THE_FIRST}",
    ]
    return command + [f"--gres=gpu:{compute.node_processes}"] * (compute.gpus > 0)


def launch_environment(own: Mapping[str, str]) -> dict[str, str]:
    """The environment in which the nodes' processes are started, with a free port to meet at."""
    kept = {
        name: value
        for name, value in own.items()
        if not name.startswith(("SLURM_", "SRUN_", "SBATCH_")) or name in OF_THE_JOB
    }
    with socket.socket() as probe:
        probe.bind(("", 0))
        return kept | {"MASTER_PORT": str(probe.getsockname()[1])}


def _run(command: list[str], environment: dict[str, str]) -> None:
    status = subprocess.run(command, env=environment, check=False).returncode
    if status == EXIT_STATUS:
        raise Interrupted(rank=0)
    if status:
        print(f"training ended with status {status}; see above.", file=sys.stderr)
        sys.exit(status if status > 0 else 128 - status)
