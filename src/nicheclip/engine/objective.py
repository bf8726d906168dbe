"""What a run minimises: the contract between the engine and an objective.

The engine owns processes, precision, steps, schedule, optimiser, stop signals, checkpoints and
logs. It knows no image, no text and no CLIP. An objective owns modules and data, and says what they
mean. All it draws at random follows from the config's seed, the epoch, the step or the sample.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from nicheclip.config.optimization import Decay
from nicheclip.engine.loading import Batch, Reader
from nicheclip.engine.processes import Processes

Outputs = Mapping[str, Tensor]
"""What the module makes of a batch: tensors with one row a sample, or scalars."""

#: the term that is minimised
LOSS = "loss"


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that begin to train together."""

    names: Sequence[str]
    """In the objective's module."""
    lr_scale: float = 1.0
    """Factor of the learning rate."""
    decay: Decay = "matrices"
    """For which of them the config's weight decay holds."""


@dataclass(frozen=True)
class Step:
    """Where a run is while a batch is worked on."""

    step: int
    """From 0."""
    steps: int
    """Of the run."""
    epoch: int
    """From 0."""
    sizes: tuple[int, ...]
    """How many of the batch's samples each process has."""
    processes: Processes

    @property
    def length(self) -> int:
        """Samples of the batch, over all processes."""
        return sum(self.sizes)

    @property
    def offset(self) -> int:
        """Where this process's samples begin in the batch."""
        return sum(self.sizes[: self.processes.rank])


@dataclass(frozen=True)
class Epoch:
    """Where a run is between two epochs, and what an objective may use there."""

    epoch: int
    """From 0."""
    step: int
    """Steps done."""
    processes: Processes
    forward: Callable[[Batch], Outputs]
    """The module as the engine runs it, in the run's precision."""
    workers: int
    """Processes that may read data."""


class Objective(ABC):
    """One thing to minimise.

    ``module`` is all that trains, as one module with ``forward(batch)``: what goes around it would
    miss the hooks of DDP. What stands still or follows it, a teacher say, is in ``held``: it is put
    on the device, set to evaluation mode without gradients, and kept in checkpoints.
    """

    version: ClassVar[int]
    """Raise it when an edit changes the result: checkpoints of other versions are not resumed."""
    chooses_samples: ClassVar[bool] = False
    """Whether ``samples`` chooses; batches of the next epoch are then not read ahead."""

    module: nn.Module
    held: Mapping[str, nn.Module] = {}

    @property
    @abstractmethod
    def reader(self) -> Reader:
        """From a plan to a batch; it runs in worker processes, so it must pickle and be light."""

    @property
    @abstractmethod
    def shard_sizes(self) -> Sequence[int]:
        """Samples of each shard; samples are numbered through."""

    @abstractmethod
    def losses(self, outputs: Outputs, batch: Batch, step: Step) -> Mapping[str, Tensor]:
        """This process's share of each term: the shares of all processes add up to the term.

        ``LOSS`` is minimised, the others are logged. Gradients reach the module through
        ``outputs`` alone.
        """

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the result into ``folder``."""

    def inputs(self) -> Mapping[str, str]:
        """Digests of what the result follows from beside config and seed, by what it is."""
        return {}

    def samples(self, epoch: int) -> NDArray[np.int64] | None:
        """The samples that train in ``epoch``; None: all.

        Asked after ``begin_epoch``, and again after ``load_state_dict`` when a run resumes within
        the epoch: the answer must be the same.
        """
        del epoch
        return None

    def trainable(self, epoch: int) -> Iterable[ParameterGroup]:
        """What begins to train in ``epoch``; asked for every epoch in turn, on resuming as well."""
        if epoch == 0:
            yield ParameterGroup([name for name, _ in self.module.named_parameters()])

    def weight_decay(self, step: int, steps: int) -> float | None:
        """Of ``step`` (from 0) of ``steps``, where it changes within a run; None: the config's."""
        del step, steps
        return None

    def begin_epoch(self, epoch: Epoch) -> None:
        """What precedes an epoch: labels, prototypes. Not called when resuming within it."""
        del epoch

    def after_step(self, step: Step) -> None:
        """What follows a step of the optimiser: a bound, a moving average."""
        del step

    def end_epoch(self, epoch: Epoch) -> Mapping[str, float | None]:
        """Figures of the epoch for ``history.csv``; None where there was nothing to measure."""
        del epoch
        return {}

    def figures(self) -> Mapping[str, float]:
        """Numbers of its state for the lines of the log."""
        return {}

    def facts(self) -> Mapping[str, Any]:
        """What the run's report says of the data."""
        return {}

    def sample_names(self, places: Sequence[int]) -> list[str]:
        """What a person calls these samples."""
        return [str(place) for place in places]

    def state_dict(self) -> dict[str, Any]:
        """State beyond the modules: plain data and tensors, the same in all processes."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what ``state_dict`` gave."""
        del state
