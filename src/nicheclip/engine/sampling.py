"""Which samples a step sees: fixed by seed, epoch and step, whatever the number of processes."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nicheclip.runtime.errors import InputError
from nicheclip.runtime.seeding import generator

#: samples mix within so many shards, which are read at the same time
WINDOW_SHARDS = 8


class BatchPlan(NamedTuple):
    """One process's part of one batch."""

    epoch: int
    number: int
    """Of the batch in its epoch."""
    indices: NDArray[np.int64]
    """The samples, by their place in the shards."""


@dataclass(frozen=True)
class Sampling:
    """The order of samples over a run.

    In an epoch every sample comes exactly once. Shards are shuffled, and samples within windows of
    ``WINDOW_SHARDS`` shards. The last batch holds what is left over; a single left-over sample
    joins the batch before, since contrastive losses and batch norms are defined for two or more.
    """

    shard_sizes: tuple[int, ...]
    batch_size: int
    """Over all processes."""
    seed: int

    def __post_init__(self) -> None:
        if self.samples < 2:
            raise InputError(
                f"training: {self.samples} samples; a batch needs at least 2. "
                "Look into the data set's manifest for images that were dropped."
            )

    @cached_property
    def samples(self) -> int:
        """In an epoch."""
        return sum(self.shard_sizes)

    @cached_property
    def batches(self) -> int:
        """In an epoch."""
        full, left_over = divmod(self.samples, self.batch_size)
        return max(full + (left_over > 1), 1)

    def batch_length(self, number: int) -> int:
        """Samples in batch ``number`` of an epoch, over all processes."""
        if number < self.batches - 1:
            return self.batch_size
        return self.samples - number * self.batch_size

    def order(self, epoch: int) -> Iterator[NDArray[np.int64]]:
        """All samples of ``epoch`` in their order, window by window."""
        random = generator(self.seed, "order of samples", epoch)
        ends = np.cumsum(self.shard_sizes)
        shards = random.permutation(len(self.shard_sizes))
        for start in range(0, len(shards), WINDOW_SHARDS):
            members = [
                np.arange(ends[shard] - self.shard_sizes[shard], ends[shard])
                for shard in shards[start : start + WINDOW_SHARDS]
            ]
            yield random.permutation(np.concatenate(members)).astype(np.int64)

    def plans(
        self, first_step: int, last_step: int, *, rank: int = 0, world: int = 1
    ) -> Iterator[BatchPlan]:
        """What process ``rank`` of ``world`` reads in the steps from ``first_step`` to before
        ``last_step``, counted from the start of the run. One window of samples is in memory.
        """
        step = first_step
        while step < last_step:
            epoch, first = divmod(step, self.batches)
            for number, batch in enumerate(self._batches(epoch)):
                if number < first:
                    continue
                if step == last_step:
                    return
                sizes = slice_sizes(len(batch), world)
                start = sum(sizes[:rank])
                yield BatchPlan(epoch, number, batch[start : start + sizes[rank]])
                step += 1

    def _batches(self, epoch: int) -> Iterator[NDArray[np.int64]]:
        """The batches of ``epoch``, of all processes."""
        left, number = np.empty(0, np.int64), 0
        for window in self.order(epoch):
            left = np.concatenate([left, window])
            while number < self.batches and len(left) >= (length := self.batch_length(number)):
                yield left[:length]
                left, number = left[length:], number + 1

    def check_processes(self, world: int) -> None:
        """Raise InputError if a batch has fewer samples than there are processes."""
        shortest = min(self.batch_length(0), self.batch_length(self.batches - 1))
        if shortest < world:
            raise InputError(
                f"training: the last of {self.batches} batches has {shortest} samples for {world} "
                f"processes. Change batch_size (now {self.batch_size}) or use fewer GPUs."
            )


def slice_sizes(length: int, world: int) -> list[int]:
    """How many of a batch's ``length`` samples each of ``world`` processes takes, in rank order."""
    return [length // world + (rank < length % world) for rank in range(world)]
