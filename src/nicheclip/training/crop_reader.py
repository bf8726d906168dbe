"""Batches for self-supervised training: crops of images, without labels and texts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nicheclip.data.image_set import ImageSet
from nicheclip.engine.loading import Batch
from nicheclip.engine.sampling import BatchPlan
from nicheclip.models.multi_crop import MultiCrop
from nicheclip.models.views import ViewSettings, centre_view, decode
from nicheclip.runtime.seeding import generator


@dataclass(frozen=True)
class CropReader:
    """Turns a plan into a batch: ``globals`` uint8 [n, 2, 3, s, s] and ``locals`` [n, m, 3, l, l].

    An image's crops follow from seed, epoch and image.
    """

    images: ImageSet
    crops: MultiCrop
    seed: int

    def read(self, plan: BatchPlan) -> Batch:
        """See ``Reader``.

        Raises:
            InputError: an image cannot be decoded.
        """
        large, small = [], []
        for encoded in self.images.read_many([int(row) for row in plan.indices]):
            image = decode(encoded.encoded, name=encoded.image_id, where=self.images.folder)
            random = generator(self.seed, "crops", plan.epoch, encoded.image_id)
            ours, theirs = self.crops.cut(image, random)
            large.append(ours)
            small.append(theirs)
        return {
            "globals": torch.from_numpy(np.stack(large)),
            "locals": torch.from_numpy(np.stack(small)),
        }


def centre_batches(
    images: ImageSet, rows: Sequence[int], views: ViewSettings, batch_size: int
) -> Iterator[Tensor]:
    """The views of evaluation of some images, uint8 [b, 3, s, s]."""
    cut = centre_view(views)
    for start in range(0, len(rows), batch_size):
        encoded = images.read_many(list(rows[start : start + batch_size]))
        pixels = [cut(decode(e.encoded, name=e.image_id, where=images.folder)) for e in encoded]
        yield torch.from_numpy(np.stack(pixels))
