"""Images some of whose patches are masked, as MUST trains on them.

A mask covers squares of the image, ``side`` x ``side`` patches each, of the grid of such squares;
the number of squares is the share that is asked for, rounded up, so it is the same in every image.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import normalize, pixel_shuffle

from nicheclip.adaptation.trained.tower import VisualTower
from nicheclip.adaptation.trained.views import ViewReader
from nicheclip.engine.loading import Batch
from nicheclip.engine.sampling import BatchPlan
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.seeding import generator


@dataclass(frozen=True)
class MaskedReader(ViewReader):
    """Adds ``mask`` bool [n, patches] to a batch: which patches are masked."""

    grid: tuple[int, int]
    """Patches in height and width."""
    side: int
    share: float

    def read(self, plan: BatchPlan) -> Batch:
        """See ``Reader``."""
        batch = super().read(plan)
        masks = [self.mask(plan.epoch, int(row)) for row in plan.indices]
        return {**batch, "mask": torch.from_numpy(np.stack(masks))}

    def mask(self, epoch: int, row: int) -> NDArray[np.bool_]:
        """[patches] of image ``row`` in ``epoch``."""
        height, width = (edge // self.side for edge in self.grid)
        random = generator(self.seed, "mask", epoch, self.images.image_id(row))
        masked = np.zeros(height * width, dtype=bool)
        masked[random.permutation(height * width)[: math.ceil(height * width * self.share)]] = True
        squares = masked.reshape(height, width)
        return squares.repeat(self.side, axis=0).repeat(self.side, axis=1).ravel()


@dataclass(frozen=True)
class Masked:
    """Masked images as the tower sees them."""

    features: Tensor
    """[n, d], rows of length 1: of [CLS]."""
    pixel_error: Tensor
    """[n]: the mean absolute error of the pixels of masked patches."""
    distance: Tensor
    """[n]: the mean squared distance of masked tokens' features from that of [CLS]."""


class MaskedTower(nn.Module):
    """A visual tower with a token for what is masked, a norm for patches, and a decoder to pixels.

    Raises:
        InputError: the patches are not square, or do not fill squares of ``side``.
    """

    def __init__(self, tower: VisualTower, side: int, random: torch.Generator) -> None:
        super().__init__()
        self.tower = tower
        visual: Any = tower.visual
        height, width = visual.patch_size
        self.grid: tuple[int, int] = tuple(visual.grid_size)
        if height != width or any(edge % side for edge in self.grid):
            raise InputError(
                f"must: {self.grid[0]} x {self.grid[1]} patches of {height} x {width} pixels are "
                f"not made of squares of {side} patches. Change mask_side."
            )
        dimensions, pixels = int(visual.class_embedding.shape[0]), 3 * height * width
        self.patch = int(height)
        self.mask_token = nn.Parameter(torch.empty(dimensions).normal_(0, 0.02, generator=random))
        self.patch_norm = nn.LayerNorm(dimensions)
        bound = 1 / math.sqrt(dimensions)  # as torch begins a convolution of one pixel
        self.decoder = nn.Parameter(
            torch.empty(dimensions, pixels).uniform_(-bound, bound, generator=random)
        )
        self.decoder_bias = nn.Parameter(
            torch.empty(pixels).uniform_(-bound, bound, generator=random)
        )

    def forward(self, views: Tensor, mask: Tensor) -> Masked:
        """Encode views uint8 [n, 3, h, w] of which ``mask`` [n, patches] is hidden."""
        visual: Any = self.tower.visual
        images = self.tower.normalise(views)
        patches = visual.conv1(images).flatten(2).transpose(1, 2)
        patches = torch.where(mask[:, :, None], self.mask_token.to(patches.dtype), patches)
        cls = visual.class_embedding.to(patches.dtype).expand(len(patches), 1, -1)
        tokens = torch.cat([cls, patches], dim=1) + visual.positional_embedding.to(patches.dtype)
        tokens = visual.transformer(visual.ln_pre(tokens))
        features = self._feature(visual.ln_post(tokens[:, 0]))
        found = self.patch_norm(tokens[:, 1:])
        distance = (self._feature(found) - features[:, None]).square().sum(dim=2)
        error = (self.pixels(found) - images).abs().mean(dim=1)
        hidden = mask.unflatten(1, self.grid).repeat_interleave(self.patch, 1)
        hidden = hidden.repeat_interleave(self.patch, 2)
        return Masked(features, mean_where(error, hidden), mean_where(distance, mask))

    def pixels(self, tokens: Tensor) -> Tensor:
        """[n, 3, h, w]: what the decoder makes of patches [n, patches, dimensions]."""
        decoded = (tokens @ self.decoder + self.decoder_bias).transpose(1, 2)
        return pixel_shuffle(decoded.unflatten(2, self.grid), self.patch).float()

    def _feature(self, tokens: Tensor) -> Tensor:
        projection = self.tower.visual.proj
        projected = tokens if projection is None else tokens @ projection
        return normalize(projected.float(), dim=-1)


def mean_where(values: Tensor, chosen: Tensor) -> Tensor:
    """[n]: the mean of the ``chosen`` [n, ...] of ``values`` [n, ...]."""
    chosen = chosen.to(values)
    return (values * chosen).flatten(1).sum(dim=1) / chosen.flatten(1).sum(dim=1)
