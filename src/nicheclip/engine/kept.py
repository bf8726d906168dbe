"""Which weights are the result: the last, their moving average, or those of the best epoch.

Those of the last epochs may be kept beside it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn

from nicheclip.runtime.errors import InputError

#: the figures of an epoch that say how good it is; the first that is measured counts
FIGURES = ("zero_shot_accuracy", "val_accuracy")


class KeptWeights:
    """Follows a module from step to step.

    With a decay d, the moving average of each parameter becomes d * average + (1 - d) * parameter
    after every step; buffers are copied. What is validated and saved is then the average.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        decay: float | None,
        keep: Literal["last", "best"],
        epochs: int = 0,
    ) -> None:
        """Of ``module`` as it is at the start, on its device.

        Args:
            module: that trains.
            decay: of the moving average; None: there is none.
            keep: the last weights, or those of the epoch with the highest of ``FIGURES``.
            epochs: how many of the last epochs' weights are kept beside them.
        """
        self._module, self._decay, self._keep, self._epochs = module, decay, keep, epochs
        self._average = _copied(module.state_dict()) if decay is not None else {}
        self._best: dict[str, Tensor] = {}
        self._accuracy, self.epoch = -1.0, 0
        """The epoch, from 1, whose weights are kept; 0 before the first that was compared."""
        self.last: dict[int, dict[str, Tensor]] = {}
        """Weights of the last epochs, on the CPU, by the epoch's number from 1."""

    @torch.no_grad()
    def after_step(self) -> None:
        """Move the average."""
        if self._decay is None:
            return
        parameters = {name for name, _ in self._module.named_parameters()}
        for name, value in self._module.state_dict().items():
            if name in parameters and value.is_floating_point():
                self._average[name].lerp_(value, 1 - self._decay)
            else:
                self._average[name].copy_(value)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Within it the module has the weights that would be kept now."""
        if self._decay is None:
            yield
            return
        own = _copied(self._module.state_dict())
        self._module.load_state_dict(self._average)
        try:
            yield
        finally:
            self._module.load_state_dict(own)

    def end_epoch(self, found: Mapping[str, float | None], epoch: int) -> None:
        """Keep the module's weights as those of ``epoch`` (from 0), and if it is the best so far.

        Raises:
            InputError: the best is to be kept, and nothing says which is.
        """
        if self._epochs:
            self.last[epoch + 1] = _copied(self._module.state_dict(), device="cpu")
            for old in sorted(self.last)[: -self._epochs]:
                del self.last[old]
        if self._keep == "last":
            return
        figures = (found.get(name) for name in FIGURES)
        accuracy = next((figure for figure in figures if figure is not None), None)
        if accuracy is None:
            raise InputError(
                f"training: keep: best needs {FIGURES[-1]} after every epoch, and there was none. "
                "Give the data set validation images (datasets.<name>.split.val), or set keep: "
                "last."
            )
        if accuracy > self._accuracy:
            self._accuracy, self.epoch = accuracy, epoch + 1
            self._best = _copied(self._module.state_dict(), device="cpu")

    def take(self) -> None:
        """Give the module the weights that are the result."""
        if result := self._best or self._average:
            self._module.load_state_dict(result)

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {
            "average": self._average,
            "best": self._best,
            "accuracy": self._accuracy,
            "epoch": self.epoch,
            "last": self.last,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what ``state_dict`` gave."""
        for name, value in state["average"].items():
            self._average[name].copy_(value)
        self._best, self._accuracy, self.epoch = state["best"], state["accuracy"], state["epoch"]
        self.last = state["last"]


def _copied(tensors: Mapping[str, Tensor], device: str | None = None) -> dict[str, Tensor]:
    return {name: value.detach().to(device, copy=True) for name, value in tensors.items()}
