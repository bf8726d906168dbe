"""The processes of a run, and what they share.

The scaling rule: every process computes its share of the loss, multiplies it by the number of
processes W and runs backward. Gathering sums the gradients of all processes into the rows' owner
and DDP divides parameter gradients by W, so that each parameter gets the gradient of the whole
batch's loss, as on one device.
"""

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from torch import Tensor
from torch.nn import functional

from nicheclip.config.compute import ComputeConfig, Precision
from nicheclip.engine.sharding import Sharded
from nicheclip.runtime.devices import check_gpus
from nicheclip.runtime.errors import InputError


class Processes:
    """All processes of a run, seen from one of them."""

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric

    @property
    def rank(self) -> int:
        """Of this process, from 0."""
        return self.fabric.global_rank

    @property
    def world(self) -> int:
        """Their number."""
        return self.fabric.world_size

    @property
    def device(self) -> torch.device:
        """Of this process."""
        return self.fabric.device

    @property
    def is_first(self) -> bool:
        """Whether this one writes files."""
        return self.fabric.is_global_zero

    @property
    def sharded(self) -> bool:
        """Whether each keeps only its part of the weights; see ``sharding``."""
        return isinstance(self.fabric.strategy, Sharded)

    def to_device(self, batch: Any) -> Any:
        """Tensors in any nesting, on this process's device."""
        return self.fabric.to_device(batch)

    def sum(self, values: Tensor) -> Tensor:
        """``values`` of float64 summed over all processes."""
        total = self.fabric.all_reduce(values.detach().double(), reduce_op="sum")
        assert isinstance(total, Tensor)
        return total

    def read_sum(self, values: Tensor) -> Callable[[], list[float]]:
        """The sum of ``values`` [n] over all processes, to be read later.

        On a GPU the host then waits for what led to ``values``, not for work that was given to the
        device since.
        """
        total = self.sum(values)
        if total.device.type != "cuda":
            return total.tolist
        host = torch.empty(total.shape, dtype=total.dtype, pin_memory=True)
        host.copy_(total, non_blocking=True)
        copied = torch.cuda.Event()
        copied.record()

        def read() -> list[float]:
            copied.synchronize()
            numbers: list[float] = host.tolist()
            return numbers

        return read

    def gather(self, rows: Tensor, sizes: Sequence[int]) -> Tensor:
        """The rows of all processes in the order of their ranks, with gradient.

        Args:
            rows: [sizes[rank], ...].
            sizes: rows of each process.
        """
        if self.world == 1:
            return rows
        # collectives want equal sizes
        padding = [0, 0] * (rows.ndim - 1) + [0, max(sizes) - len(rows)]
        gathered = self.fabric.all_gather(
            functional.pad(rows, padding), sync_grads=rows.requires_grad and torch.is_grad_enabled()
        )
        return torch.cat([part[:size] for part, size in zip(gathered, sizes, strict=True)])


def check_all_see_the_same(processes: Processes, step: int, folder: Path) -> None:
    """Raise InputError if a shared file system shows processes different checkpoints.

    Args:
        processes: of the run.
        step: of the newest checkpoint that this one sees.
        folder: of the checkpoints.
    """
    here = torch.tensor(float(step), device=processes.device)
    mean = float(processes.sum(here)) / processes.world
    if float(processes.sum((here != mean).double())):
        raise InputError(
            f"{folder}: the nodes see different checkpoints (here: step {step}); the file system "
            "shows them late. Run the same command again."
        )


def join_processes(
    compute: ComputeConfig, precision: Precision, *, sharded: bool = False
) -> Processes:
    """This process as one of those that RANK, WORLD_SIZE, ... tell of, or alone without them.

    Args:
        compute: what of the machine is asked for.
        precision: of the run.
        sharded: whether several processes share the weights, or each keeps all.

    Raises:
        InputError: the machine has not what ``compute`` asks for, or cannot compute in
            ``precision``.
    """
    if precision == "16-mixed" and not compute.gpus:
        raise InputError(
            "training: precision 16-mixed needs a GPU; use 32-true or bf16-mixed on a CPU."
        )
    check_gpus(compute.node_processes if compute.gpus else 0)
    one_of_many = "WORLD_SIZE" in os.environ
    fabric = Fabric(
        accelerator="cuda" if compute.gpus else "cpu",
        strategy=Sharded() if one_of_many and sharded else "auto",
        devices=compute.node_processes if one_of_many else 1,
        num_nodes=compute.nodes if one_of_many else 1,
        precision=precision,
        plugins=[TorchElasticEnvironment() if one_of_many else LightningEnvironment()],
    )
    fabric.launch()
    if not fabric.is_global_zero:
        logging.getLogger("nicheclip.engine").setLevel(logging.WARNING)  # one tells the story
    torch.set_num_threads(compute.cpu_threads)
    if fabric.device.type == "cpu":
        torch.use_deterministic_algorithms(True, warn_only=True)
        # Costs time, and no kernel here reads memory that nobody wrote.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return Processes(fabric)
