"""The GPUs that a job was given."""

import os

import torch

from nicheclip.runtime.errors import InputError


def check_gpus(expected: int) -> None:
    """Raise InputError unless this process sees the GPUs that its job asked for.

    A SLURM job must see just its own; elsewhere there may be more.
    """
    found = torch.cuda.device_count()
    in_job = "SLURM_JOB_ID" in os.environ
    if found < expected or (in_job and expected and found > expected):
        raise InputError(
            f"{expected} GPUs asked for, {found} found on this node "
            f"(CUDA_VISIBLE_DEVICES={os.environ.get('CUDA_VISIBLE_DEVICES', 'not set')}). "
            "Set the config to what there is (0 uses the CPU), or ask the scheduler for more; on a "
            "cluster, look at the job's `gpu` resource and at SLURM's gres.conf."
        )
