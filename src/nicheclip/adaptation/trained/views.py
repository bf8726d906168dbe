"""Batches of views of images without labels.

Each image is decoded once and all its views are cut from it. Every random choice is seeded by run
seed, epoch and image, so batches do not depend on the number of worker processes or on where a run
resumed.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from nicheclip.config.adaptation import StrongView
from nicheclip.data.image_set import EncodedImage, ImageSet
from nicheclip.engine.loading import Batch, CopiedReader
from nicheclip.engine.sampling import BatchPlan
from nicheclip.models.square_crops import SquareCrops
from nicheclip.models.views import (
    Pixels,
    ViewSettings,
    centre_view,
    decode,
    rand_augment_view,
    random_view,
    strong_view,
)
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.seeding import generator


@dataclass(frozen=True)
class Wanted:
    """The views of an image that a method wants, by their names in the batch."""

    plain: bool = True
    """``plain`` [n, 3, h, w]: the centre, as evaluation has it."""
    weak: tuple[float, float] | None = None
    """``weak`` [n, 3, h, w]: a random resized crop with an area in this range, and a flip."""
    crops: int = 0
    """``crops`` [n, crops, 3, h, w]: square random crops."""
    crop_side: tuple[float, float] = (0.5, 0.9)
    """Range of their sides, as a share of the shorter side."""
    strong: StrongView | None = None
    """``strong`` [n, 3, h, w]."""


@dataclass(frozen=True)
class ViewReader(CopiedReader):
    """Turns a plan into a batch: the wanted views as uint8, and ``rows`` int64 [n], the numbers of
    the images. It carries no model and no label: worker processes get a copy of it.
    """

    images: ImageSet
    settings: ViewSettings
    wanted: Wanted
    seed: int

    @cached_property
    def _centre(self) -> Any:
        return centre_view(self.settings)

    def read(self, plan: BatchPlan) -> Batch:
        """See ``Reader``.

        Raises:
            InputError: an image that cannot be decoded, or is too small for a crop.
        """
        rows = [int(row) for row in plan.indices]
        crops = SquareCrops(self.settings, count=self.wanted.crops, side=self.wanted.crop_side)
        views = [self._views(one, plan.epoch, crops) for one in self.images.read_many(rows)]
        batch = {name: np.stack([one[name] for one in views]) for name in views[0]}
        if self.wanted.crops:
            batch["crops"] = crops.take()
        tensors = {name: torch.from_numpy(pixels) for name, pixels in batch.items()}
        return tensors | {"rows": torch.tensor(rows)}

    def _views(self, encoded: EncodedImage, epoch: int, crops: SquareCrops) -> dict[str, Pixels]:
        """The wanted views of one image in ``epoch``, by name; ``crops`` gets its square crops."""
        image = decode(encoded.encoded, name=encoded.image_id, where=self.images.folder)
        wanted, found = self.wanted, {}

        def random(name: str) -> np.random.Generator:
            return generator(self.seed, name, epoch, encoded.image_id)

        if wanted.plain:
            found["plain"] = self._centre(image)
        if wanted.weak:
            found["weak"] = random_view(
                image, self.settings, random("weak"), scale=wanted.weak, flip=True
            )
        if wanted.crops:
            self._check_size(image, encoded.image_id)
            crops.add(image, random("crops"))
        if wanted.strong:
            found["strong"] = _strong(image, self.settings, random("strong"), wanted.strong)
        return found

    def _check_size(self, image: Pixels, name: str) -> None:
        height, width = image.shape[:2]
        if min(height, width) * self.wanted.crop_side[0] < 1:
            raise InputError(
                f"{self.images.folder}: image {name} has {width} x {height} pixels, "
                f"too few for a crop of {self.wanted.crop_side[0]} of its shorter side. Remove it "
                "from the data set."
            )


def _strong(
    image: Pixels, settings: ViewSettings, random: np.random.Generator, wanted: StrongView
) -> Pixels:
    if wanted.kind == "rand_augment":
        return rand_augment_view(image, settings, random, scale=wanted.crop_scale)
    if wanted.kind == "moco":
        return strong_view(image, settings, random, scale=wanted.crop_scale)
    return random_view(image, settings, random, scale=wanted.crop_scale, flip=True)
