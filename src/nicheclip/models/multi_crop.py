"""DINO's views of an image: two global crops and smaller local ones, decoded once.

Caron et al. (arXiv 2104.14294), section 3.1 and appendix; the changes are BYOL's (arXiv 2006.07733,
appendix B): flip, colour jitter (0.4, 0.4, 0.2, 0.1) with probability 0.8, grey 0.2; blur with
probability 1 and 0.1 for the two global crops and 0.5 for local ones; the second global crop is
solarised with probability 0.2. Different: jitter in a fixed order, and a blur's width is in
proportion to the crop (0.1 to 2 pixels of 224).
"""

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from nicheclip.config.pretraining import CropConfig
from nicheclip.models.views import Pixels, ViewSettings, channels_first, hue_turned, random_view

#: of brightness, contrast and saturation
JITTER = ((ImageEnhance.Brightness, 0.4), (ImageEnhance.Contrast, 0.4), (ImageEnhance.Color, 0.2))
HUE = 0.1
#: largest blur in pixels, and the crop that it was chosen for
BLUR, BLURRED_SIZE = 2.0, 224
#: probability of a blur for each global crop, and for local ones
GLOBAL_BLUR, LOCAL_BLUR = (1.0, 0.1), 0.5
SOLARISED = 0.2


@dataclass(frozen=True)
class MultiCrop:
    """What is cut of each image."""

    views: ViewSettings
    """Of global crops."""
    crops: CropConfig

    def cut(self, image: Pixels, random: np.random.Generator) -> tuple[Pixels, Pixels]:
        """Global crops [2, 3, s, s] and local ones [m, 3, l, l] of an image [h, w, 3]."""
        config = self.crops
        large = [
            self._view(image, self.views, config.global_scale, blur, SOLARISED * second, random)
            for second, blur in enumerate(GLOBAL_BLUR)
        ]
        edge = config.local_size
        views = replace(self.views, size=(edge, edge))
        small = [
            self._view(image, views, config.local_scale, LOCAL_BLUR, 0.0, random)
            for _ in range(config.local_crops)
        ]
        return np.stack(large), np.stack(small) if small else np.zeros((0, 3, edge, edge), np.uint8)

    def _view(
        self,
        image: Pixels,
        views: ViewSettings,
        scale: tuple[float, float],
        blur: float,
        solarised: float,
        random: np.random.Generator,
    ) -> Pixels:
        pixels = random_view(image, views, random, scale=scale, flip=True)
        view = Image.fromarray(pixels.transpose(1, 2, 0))
        if self.crops.colour:
            view = _recoloured(view, random)
        if random.random() < blur:
            width = random.uniform(0.1, BLUR) * views.size[0] / BLURRED_SIZE
            view = view.filter(ImageFilter.GaussianBlur(float(width)))
        if self.crops.colour and random.random() < solarised:
            view = ImageOps.solarize(view)
        return channels_first(view)


def _recoloured(view: Image.Image, random: np.random.Generator) -> Image.Image:
    if random.random() < 0.8:
        for enhance, width in JITTER:
            view = enhance(view).enhance(float(random.uniform(1 - width, 1 + width)))
        view = hue_turned(view, float(random.uniform(-HUE, HUE)))
    if random.random() < 0.2:
        view = ImageOps.grayscale(view).convert("RGB")
    return view
