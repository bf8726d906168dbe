"""Config of what a run is computed with: GPUs, nodes, hours, threads, precision."""

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from nicheclip.config.base import ConfigModel

#: of a job's time limit, at most, for the end of a training that is not complete
SECONDS_TO_STOP = 600

Precision = Literal["32-true", "bf16-mixed", "16-mixed"]


class ComputeConfig(ConfigModel):
    """With what a run is computed. A change here is no reason to train again."""

    gpus: Annotated[int, Field(ge=0)] = 0
    """GPUs of the run, over all nodes; 0 trains on the CPU, in one process on each node."""
    nodes: Annotated[int, Field(ge=1)] = 1
    """Nodes of the run; more than one needs a SLURM job."""
    hours: Annotated[float, Field(gt=0)] = 24.0
    """Time limit of the run's job. Within SLURM the training stops shortly before it with a
    checkpoint, and a retry resumes from there."""
    cpu_threads: Annotated[int, Field(ge=1)] = 1
    """Threads of each training process. On a CPU, weights are the same bit by bit only for the same
    number of threads."""
    workers: Annotated[int, Field(ge=0)] = 0
    """Processes that decode images, per device; 0 decodes in the training process."""
    checkpoint_seconds: Annotated[float, Field(gt=0)] = 600.0
    """Wall seconds between checkpoints; one is also written after every epoch."""
    log_every_steps: Annotated[int, Field(ge=1)] = 10
    """Steps between lines of the log."""
    on_code_change: Literal["stop", "continue", "restart"] = "stop"
    """What a stopped run does when the code that training uses has changed since its checkpoint:
    stop with an error that says so, continue from the checkpoint, or restart. The old checkpoint
    is kept until the run is complete."""

    @model_validator(mode="after")
    def _nodes_share_the_gpus(self) -> "ComputeConfig":
        if self.gpus % self.nodes:
            raise ValueError(
                f"nodes: {self.nodes} nodes cannot share {self.gpus} GPUs evenly; `gpus` is the "
                "number over all nodes"
            )
        return self

    @property
    def node_processes(self) -> int:
        """Training processes on each node: one for each of its GPUs, or one on the CPU."""
        return max(self.gpus // self.nodes, 1)

    @property
    def node_tasks(self) -> int | None:
        """Tasks of a SLURM job, one on each node; None for a run on one node."""
        return self.nodes if self.nodes > 1 else None

    @property
    def node_cores(self) -> int:
        """Cores for all training processes of a node and their workers."""
        return self.node_processes * (self.cpu_threads + self.workers)

    @property
    def minutes(self) -> int:
        """Time limit of the run's job."""
        return math.ceil(60 * self.hours)

    @property
    def stop_after(self) -> int:
        """Seconds from the start of a job after which training stops: time is left for the step
        in progress and the checkpoint.
        """
        limit = 3600 * self.hours
        return int(limit - min(SECONDS_TO_STOP, limit / 5))


class TrainingComputeConfig(ComputeConfig):
    """With what a training is computed. A change here is no reason to train again."""

    sharding: bool = False
    """Each process keeps only its part of weights, gradients and the optimiser's state (FSDP), for
    models that fill a GPU; else each keeps all (DDP). The weights differ by rounding alone, and a
    stopped run may go on with the other."""

    @model_validator(mode="after")
    def _several_share(self) -> "TrainingComputeConfig":
        if self.sharding and self.nodes * self.node_processes == 1:
            raise ValueError("sharding: one process has nothing to share; ask for several `gpus`")
        return self
