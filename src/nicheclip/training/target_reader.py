"""Batches of images with the right answers of each head."""

from dataclasses import dataclass

import torch

from nicheclip.data.labels import Labels
from nicheclip.engine.loading import Batch
from nicheclip.engine.sampling import BatchPlan
from nicheclip.training.image_reader import ImageReader
from nicheclip.training.targets import Targets


@dataclass(frozen=True)
class TargetReader:
    """Turns a plan into a batch: ``images`` uint8 [n, 3, s, s] and ``targets`` int64 [n, heads]."""

    images: ImageReader
    labels: Labels
    targets: Targets

    def read(self, plan: BatchPlan) -> Batch:
        """See ``Reader``.

        Raises:
            InputError: an image cannot be read or decoded.
        """
        rows = plan.indices.tolist()
        _, views = self.images.read(rows, plan.epoch)
        answers = self.targets.answers[[self.labels.number(row) for row in rows]]
        return {"images": views, "targets": torch.from_numpy(answers)}
