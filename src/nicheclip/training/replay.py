"""A second data set mixed into training, so that a model does not forget what it knew.

BioCLIP 2 mixes general pairs of images and texts into its batches. Here every shard of the data set
gets so many slots more, and in each epoch each slot is filled with an image that is drawn from the
second set. Samples are then shuffled, cut into batches and shared by processes as always, so that
what is in a batch follows from seed, epoch and step alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from nicheclip.engine.loading import Batch
from nicheclip.engine.sampling import BatchPlan
from nicheclip.runtime.seeding import unit_interval
from nicheclip.training.pair_reader import PairReader


@dataclass(frozen=True)
class Slots:
    """Which samples are images of the data set, and which are slots."""

    sizes: tuple[int, ...]
    """Images of each shard."""
    share: float
    """Of all samples of an epoch: slots."""

    @property
    def counts(self) -> list[int]:
        """Slots of each shard; their sum is as near to ``share`` as can be."""
        ends = np.rint(np.cumsum(self.sizes) * self.share / (1 - self.share)).astype(int)
        counts: list[int] = np.diff(ends, prepend=0).tolist()
        return counts

    @property
    def mixed_sizes(self) -> list[int]:
        """Samples of each shard: its images, then its slots."""
        return [size + count for size, count in zip(self.sizes, self.counts, strict=True)]

    @cached_property
    def _ends(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        sums = (np.cumsum(x) for x in (self.mixed_sizes, self.sizes, self.counts))
        mixed, images, slots = (np.asarray(one, np.int64) for one in sums)
        return mixed, images, slots

    def split(self, samples: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The numbers of the images among ``samples``, and those of the slots, in their order."""
        mixed, images, slots = self._ends
        shard = np.searchsorted(mixed, samples, side="right")
        inside = samples - mixed[shard] + np.asarray(self.mixed_sizes)[shard]
        size = np.asarray(self.sizes)[shard]
        is_image = inside < size
        own = (images[shard] - size + inside)[is_image]
        filled = (slots[shard] - np.asarray(self.counts)[shard] + inside - size)[~is_image]
        return own, filled


@dataclass(frozen=True)
class MixedReader:
    """Batches with images of the data set first, then those of the second set. Class numbers of
    the second set follow those of the first.
    """

    own: PairReader
    other: PairReader
    slots: Slots
    seed: int

    def read(self, plan: BatchPlan) -> Batch:
        """See ``Reader``.

        Raises:
            InputError: as the readers of the two sets.
        """
        own, slots = self.slots.split(plan.indices)
        chosen = np.array([self.chosen(plan.epoch, slot) for slot in slots.tolist()], np.int64)
        first = len(self.own.labels.classes)
        parts = [
            {**reader.read(plan._replace(indices=rows)), "offset": offset}
            for reader, rows, offset in ((self.own, own, 0), (self.other, chosen, first))
            if len(rows)
        ]
        return {
            "images": torch.cat([part["images"] for part in parts]),
            "tokens": torch.cat([part["tokens"] for part in parts]),
            "labels": torch.cat([part["labels"] + part["offset"] for part in parts]),
        }

    def chosen(self, epoch: int, slot: int) -> int:
        """The image of the second set that fills ``slot`` in ``epoch``."""
        images = len(self.other.images)
        return min(int(unit_interval(self.seed, "replay", epoch, slot) * images), images - 1)

    def sample_names(self, places: Sequence[int]) -> list[str]:
        """The ids of the images among the samples, and how many slots there are."""
        own, slots = self.slots.split(np.asarray(places, np.int64))
        names = [self.own.images.image_id(int(row)) for row in own]
        return names + [f"{len(slots)} of the set that is replayed"] * bool(len(slots))
