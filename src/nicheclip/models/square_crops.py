"""Square crops: whole pixels of an image, resized, as WCA and FAIR cut (FAIR's equation 6).

torch resizes uint8 as Pillow does, up to the last bit of a pixel. A call costs as much as the work
on ten crops of 48 pixels, so crops of one size, of whatever image, are resized together: what a
crop looks like does not depend on what is resized beside it.
"""

from collections import defaultdict

import numpy as np
import torch
from torch.nn import functional

from nicheclip.models.views import TORCH_MODES, Pixels, ViewSettings

#: bytes of an image that may wait until crops of its sizes have come together
SMALL_IMAGE = 200_000


class SquareCrops:
    """Square crops of several images.

    Args:
        settings: of the model.
        count: how many of each image.
        side: range of a crop's side, as a share of the image's shorter side.
    """

    def __init__(self, settings: ViewSettings, *, count: int, side: tuple[float, float]) -> None:
        self._size, self._count, self._side = settings.size, count, side
        self._mode = TORCH_MODES.get(settings.resampling, "bicubic")
        self._found: list[Pixels] = []
        self._waiting: dict[int, list[tuple[Pixels, Pixels]]] = defaultdict(list)

    def add(self, image: Pixels, random: np.random.Generator) -> None:
        """Cut ``image``; ``random`` draws all sides, then all places."""
        found = np.empty((self._count, 3, *self._size), np.uint8)
        self._found.append(found)
        boxes = square_boxes(image.shape[1::-1], random, count=self._count, side=self._side)
        for crop, (left, top, edge) in zip(found, boxes, strict=True):
            part = image[top : top + edge, left : left + edge]
            if image.nbytes > SMALL_IMAGE:
                crop[:] = self._resized(part[None])[0]
            else:
                self._waiting[edge].append((part, crop))

    def take(self) -> Pixels:
        """[n, count, 3, h, w]: the crops of all images, in their order."""
        for together in self._waiting.values():
            resized = self._resized(np.stack([part for part, _ in together]))
            for (_, crop), pixels in zip(together, resized, strict=True):
                crop[:] = pixels
        self._waiting.clear()
        return np.stack(self._found)

    def _resized(self, parts: Pixels) -> Pixels:
        """[n, 3, h, w] of parts [n, edge, edge, 3]."""
        pixels = torch.from_numpy(parts).permute(0, 3, 1, 2)
        found: Pixels = functional.interpolate(
            pixels, self._size, mode=self._mode, antialias=True
        ).numpy()
        return found


def square_crops(
    image: Pixels,
    settings: ViewSettings,
    random: np.random.Generator,
    *,
    count: int,
    side: tuple[float, float],
) -> Pixels:
    """[count, 3, h, w]: those of one image; see ``SquareCrops``."""
    crops = SquareCrops(settings, count=count, side=side)
    crops.add(image, random)
    found: Pixels = crops.take()[0]
    return found


def square_boxes(
    size: tuple[int, ...], random: np.random.Generator, *, count: int, side: tuple[float, float]
) -> list[tuple[int, int, int]]:
    """Left, top and edge of ``count`` random squares within an image of width and height ``size``:
    the edge is uniform in ``side`` of the shorter side, the place uniform among those inside.
    """
    width, height = size
    edges = np.maximum(np.rint(min(size) * random.uniform(*side, count)), 1).astype(int)
    places = random.random((count, 2))
    lefts = (places[:, 0] * (width - edges + 1)).astype(int)
    tops = (places[:, 1] * (height - edges + 1)).astype(int)
    return list(zip(lefts.tolist(), tops.tolist(), edges.tolist(), strict=True))
