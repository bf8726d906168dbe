"""Images as training and validation see them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nicheclip.config.training import AugmentConfig
from nicheclip.data.image_set import EncodedImage, ImageSet
from nicheclip.engine.loading import CopiedReader
from nicheclip.models.views import Pixels, ViewSettings, centre_view, decode, random_view
from nicheclip.runtime.seeding import generator


@dataclass(frozen=True)
class ImageReader(CopiedReader):
    """Views of images, each seeded by run seed, epoch and image."""

    images: ImageSet
    views: ViewSettings
    augment: AugmentConfig | None
    """None gives the view of evaluation."""
    seed: int

    @cached_property
    def _centre(self) -> Any:
        return centre_view(self.views)

    def read(self, rows: Sequence[int], epoch: int) -> tuple[list[str], Tensor]:
        """The ids of images number ``rows``, and their views, uint8 [n, 3, s, s].

        Raises:
            InputError: an image cannot be read or decoded.
        """
        encoded = list(self.images.read_many(rows))
        views = np.empty((len(encoded), 3, *self.views.size), np.uint8)
        for place, image in enumerate(encoded):
            views[place] = self._view(image, epoch)
        return [image.image_id for image in encoded], torch.from_numpy(views)

    def _view(self, encoded: EncodedImage, epoch: int) -> Pixels:
        image = decode(encoded.encoded, name=encoded.image_id, where=self.images.folder)
        if self.augment is None:
            pixels: Pixels = self._centre(image)
            return pixels
        return random_view(
            image,
            self.views,
            generator(self.seed, "augment", epoch, encoded.image_id),
            scale=self.augment.crop_scale,
            flip=self.augment.flip,
            rotate=self.augment.rotate,
        )
