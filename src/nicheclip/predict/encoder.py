"""Images to features, batch by batch."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch

from nicheclip.config.data import ImageConfig
from nicheclip.models.features import Array, l2_normalise
from nicheclip.models.openclip import Clip
from nicheclip.models.views import Normalise, Pixels, ViewSettings, centre_view
from nicheclip.predict.pictures import Picture, views
from nicheclip.predict.settings import Settings
from nicheclip.runtime.errors import InputError


class ImageEncoder:
    """A model's image tower with the images as it wants them."""

    def __init__(self, clip: Clip, image: ImageConfig, settings: Settings) -> None:
        settings.check()
        self._device = settings.chosen_device
        self._model = clip.model.to(self._device).eval()
        wanted = ViewSettings.of(clip)
        self._view, self._normalise = centre_view(wanted), Normalise(wanted).to(self._device)
        self._image, self._settings = image, settings

    def batches(self, pictures: Iterable[Picture]) -> Iterator[tuple[list[str], Array]]:
        """For each batch the problem of each picture ("" is none), and the features [r, d] of the r
        pictures that have none, rows of length 1.
        """
        for batch in views(
            pictures,
            self._view,
            self._image,
            batch_size=self._settings.batch_size,
            threads=self._settings.threads,
        ):
            readable = [one for one in batch if not isinstance(one, str)]
            problems = [one if isinstance(one, str) else "" for one in batch]
            yield problems, self._features(readable)

    @torch.inference_mode()
    def _features(self, batch: Sequence[Pixels]) -> Array:
        if not batch:
            return np.zeros((0, 0), np.float32)
        pixels = torch.from_numpy(np.stack(batch))
        try:
            found = self._model.encode_image(self._normalise(pixels.to(self._device)))
            return l2_normalise(found.float().cpu().numpy())
        except torch.OutOfMemoryError as error:
            raise InputError(
                f"the memory of {self._device} is full with {len(batch)} images at once. Give a "
                f"smaller --batch-size, for example {max(1, len(batch) // 2)}, or --device cpu."
            ) from error
