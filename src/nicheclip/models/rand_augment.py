"""RandAugment (Cubuk et al. 2019, arXiv 1909.13719): a few random changes of one strength.

With the numbers of the recipe that FAIR's authors use elsewhere: two changes, each made with
probability one half, of a strength drawn from a normal distribution around 9 of 10 with deviation
0.5; for every change a higher strength changes more.
"""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

CHANGES = 2
PROBABILITY = 0.5
STRENGTH, DEVIATION, STRONGEST = 9.0, 0.5, 10.0

Colour = tuple[int, int, int]
#: an image, a share of the strongest change, a sign, and the colour of what comes into view
Change = Callable[[Image.Image, float, int, Colour], Image.Image]


def rand_augment(image: Image.Image, random: np.random.Generator, fill: Colour) -> Image.Image:
    """``image`` (RGB) after a few random changes; ``fill`` is what comes in at its edges."""
    for number in random.integers(len(_ALL), size=CHANGES):
        made, sign = random.random() < PROBABILITY, 1 if random.random() < 0.5 else -1
        strength = np.clip(random.normal(STRENGTH, DEVIATION), 0, STRONGEST) / STRONGEST
        if made:
            image = _ALL[number](image, float(strength), sign, fill)
    return image


def _enhance(kind: Callable[[Image.Image], ImageEnhance._Enhance]) -> Change:
    """By a factor of up to 1.9 or down to 0.1."""

    def change(image: Image.Image, share: float, sign: int, fill: Colour) -> Image.Image:
        del fill
        return kind(image).enhance(1 + sign * 0.9 * share)

    return change


def _affine(coefficients: Callable[[Image.Image, float], tuple[float, ...]]) -> Change:
    def change(image: Image.Image, share: float, sign: int, fill: Colour) -> Image.Image:
        return image.transform(
            image.size,
            Image.Transform.AFFINE,
            coefficients(image, sign * share),
            Image.Resampling.BILINEAR,
            fillcolor=fill,
        )

    return change


def _rotate(image: Image.Image, share: float, sign: int, fill: Colour) -> Image.Image:
    """By up to 30 degrees."""
    return image.rotate(30 * sign * share, Image.Resampling.BILINEAR, fillcolor=fill)


def _posterise(image: Image.Image, share: float, sign: int, fill: Colour) -> Image.Image:
    """To between four bits and one of each channel."""
    del sign, fill
    return ImageOps.posterize(image, max(1, 4 - int(4 * share)))


def _solarise(image: Image.Image, share: float, sign: int, fill: Colour) -> Image.Image:
    """Invert what is brighter than a threshold."""
    del sign, fill
    return ImageOps.solarize(image, 256 - int(256 * share))


def _brighten_the_dark(image: Image.Image, share: float, sign: int, fill: Colour) -> Image.Image:
    """Add up to 110 to what is darker than 128."""
    del sign, fill
    added = int(110 * share)
    return image.point([min(255, v + added) if v < 128 else v for v in range(256)] * 3)


def _plain(operation: Callable[[Image.Image], Image.Image]) -> Change:
    def change(image: Image.Image, share: float, sign: int, fill: Colour) -> Image.Image:
        del share, sign, fill
        return operation(image)

    return change


_ALL: tuple[Change, ...] = (
    _plain(ImageOps.autocontrast),
    _plain(ImageOps.equalize),
    _plain(ImageOps.invert),
    _rotate,
    _posterise,
    _solarise,
    _brighten_the_dark,
    _enhance(ImageEnhance.Color),
    _enhance(ImageEnhance.Contrast),
    _enhance(ImageEnhance.Brightness),
    _enhance(ImageEnhance.Sharpness),
    _affine(lambda image, share: (1, 0.3 * share, 0, 0, 1, 0)),
    _affine(lambda image, share: (1, 0, 0, 0.3 * share, 1, 0)),
    _affine(lambda image, share: (1, 0, 0.45 * share * image.width, 0, 1, 0)),
    _affine(lambda image, share: (1, 0, 0, 0, 1, 0.45 * share * image.height)),
)
