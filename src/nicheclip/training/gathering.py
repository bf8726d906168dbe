"""Features of all processes, with gradient.

The scaling rule: every process computes its share of the loss (see ``losses``), multiplies it by
the number of processes W and runs backward. Gathering sums the gradients of all processes into the
features' owner and DDP divides parameter gradients by W, so that each parameter gets the gradient
of the whole batch's loss, as on one device.
"""

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn import functional

from nicheclip.training.losses import Pairs


def gather_pairs(fabric: Fabric, own: Pairs, sizes: list[int]) -> Pairs:
    """The pairs of all processes in the order of their ranks; process r has ``sizes[r]`` pairs."""
    if fabric.world_size == 1:
        return own
    return Pairs(
        _gather(fabric, own.images, sizes),
        _gather(fabric, own.texts, sizes),
        _gather(fabric, own.labels, sizes),
    )


def _gather(fabric: Fabric, rows: Tensor, sizes: list[int]) -> Tensor:
    padding = [0, 0] * (rows.ndim - 1) + [0, max(sizes) - len(rows)]  # collectives want equal sizes
    gathered = fabric.all_gather(
        functional.pad(rows, padding), sync_grads=rows.requires_grad and torch.is_grad_enabled()
    )
    return torch.cat([part[:size] for part, size in zip(gathered, sizes, strict=True)])
