"""A batch through the module at once, or in pieces with the gradient of the whole."""

from contextlib import nullcontext
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from nicheclip.engine.loading import Batch
from nicheclip.engine.objective import Outputs


class Whole:
    """The batch goes through the module at once."""

    def __init__(self, module: Any) -> None:
        self._module = module

    def forward(self, batch: Batch) -> Outputs:
        """The module's outputs, with gradient."""
        outputs: Outputs = self._module(batch)
        return outputs

    def finish(self) -> None:
        """Nothing is left once the loss has run backward."""


class Pieces:
    """The batch goes through in pieces: memory for one of them, and a second forward pass.

    Gradient caching (Gao et al. 2021, arXiv 2101.06983): all outputs first, without gradient; the
    loss of the whole batch gives the gradient of each output row; each piece then goes through
    again and runs backward from its rows. The gradient is that of the whole batch, contrastive
    losses included. A batch norm sees one piece at a time, and each piece twice.
    """

    def __init__(self, module: Any, fabric: Fabric, *, count: int, seed: int) -> None:
        self._module, self._fabric, self._count, self._seed = module, fabric, count, seed
        self._pieces: list[Batch] = []
        self._leaves: dict[str, Tensor] = {}

    def forward(self, batch: Batch) -> Outputs:
        """The outputs of the whole batch, detached from the module."""
        self._pieces = _cut(batch, self._count)
        with torch.no_grad():
            parts = [self._through(number) for number in range(len(self._pieces))]
        self._leaves = {
            name: _joined([part[name] for part in parts])
            .detach()
            .requires_grad_(torch.is_grad_enabled())
            for name in parts[0]
        }
        return self._leaves

    def finish(self) -> None:
        """Run backward from the gradients of the outputs into the parameters."""
        gradients = {name: leaf.grad for name, leaf in self._leaves.items()}
        start, last = 0, len(self._pieces) - 1
        for number in range(len(self._pieces)):
            sync = (
                nullcontext()
                if number == last
                else self._fabric.no_backward_sync(
                    self._module, enabled=self._fabric.world_size > 1
                )
            )
            with sync:
                outputs = self._through(number)
                count = next(len(out) for out in outputs.values() if out.ndim)
                ends: list[Tensor] = []
                slopes: list[Tensor] = []
                for name, output in outputs.items():
                    gradient = gradients[name]
                    if gradient is None or (output.ndim == 0 and number < last):
                        continue  # a scalar is the same in all pieces, and counts once
                    ends.append(output)
                    slopes.append(gradient[start : start + count] if output.ndim else gradient)
                torch.autograd.backward(ends, slopes)
            start += count

    def _through(self, number: int) -> Outputs:
        torch.manual_seed((self._seed + number) % 2**64)  # the same dropout both times
        outputs: Outputs = self._module(self._pieces[number])
        return outputs


def _cut(batch: Batch, count: int) -> list[Batch]:
    """``batch`` in ``count`` pieces, or as many as it has samples."""
    samples = length(batch)
    count = min(count, samples)
    ends = [samples * (number + 1) // count for number in range(count)]
    return [rows(batch, start, end) for start, end in zip([0, *ends], ends, strict=False)]


def length(batch: Any) -> int:
    """Samples of a batch."""
    while not isinstance(batch, Tensor):
        batch = next(iter(batch.values()))
    return len(batch)


def rows(batch: Any, start: int, end: int) -> Any:
    """Of ``batch``, from ``start`` to before ``end``."""
    if isinstance(batch, Tensor):
        return batch[start:end]
    return {name: rows(value, start, end) for name, value in batch.items()}


def _joined(parts: list[Tensor]) -> Tensor:
    return torch.cat(parts) if parts[0].ndim else parts[0]
