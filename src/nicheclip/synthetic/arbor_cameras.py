"""The cameras of the world `arbor`: one at home, and one of its shifted twin, the field.

``difficulty`` in [0, 1] scales how much light and noise vary. Scenes are [size, size, 3], 0 to 1.
"""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from nicheclip.synthetic.arbor_habitats import scatter
from nicheclip.synthetic.arbor_traits import Habitat
from nicheclip.synthetic.raster import Pixels

Floats = NDArray[np.float64]

FIELD_CAST = (0.78, 0.96, 1.02)
"""The field camera's gain in red, green and blue."""


def photograph(pixels: Floats, difficulty: float, rng: np.random.Generator) -> Pixels:
    """What the camera at home makes of a scene: its exposure, a gradient of light, noise."""
    gain = np.exp(
        rng.normal(0, 0.05 + 0.3 * difficulty) + rng.normal(0, 0.02 + 0.2 * difficulty, 3)
    )
    slope = rng.normal(0, 0.25 * difficulty, 2)
    noise = rng.uniform(0.01, 0.02 + 0.04 * difficulty)
    return _expose(pixels * gain * _falloff(len(pixels), slope), noise, rng)


def photograph_in_the_field(
    pixels: Floats, habitat: Habitat, difficulty: float, rng: np.random.Generator
) -> Pixels:
    """Another sensor: litter before the lens, haze, a cast, blur, noise, and coarse JPEG blocks."""
    size = len(pixels)
    scene = to_image(pixels)
    scatter(scene, habitat, int(rng.integers(1, 3 + round(4 * difficulty))), rng, scale=2.2)
    blurred = scene.filter(ImageFilter.GaussianBlur(size * rng.uniform(0.006, 0.016)))
    pixels = np.asarray(blurred, dtype=float) / 255
    haze = rng.uniform(0.1, 0.3)
    gain = np.array(FIELD_CAST) * np.exp(rng.normal(-0.25, 0.05 + 0.25 * difficulty))
    lit = (pixels * (1 - haze) + 0.55 * haze) * gain
    noise = rng.uniform(0.03, 0.04 + 0.05 * difficulty)
    quality = int(rng.integers(25, 55))
    shaded = lit * _falloff(size, rng.normal(0, 0.5, 2))
    return _through_jpeg(_expose(shaded, noise, rng), quality)


def _falloff(size: int, slope: Floats) -> Floats:
    """A gain that changes linearly over the picture: [size, size, 1]."""
    place = np.linspace(-0.5, 0.5, size)
    gain: Floats = np.clip(1 + slope[0] * place[None] + slope[1] * place[:, None], 0.3, 1.7)
    return gain[..., None]


def _expose(pixels: Floats, noise: float, rng: np.random.Generator) -> Pixels:
    grain = rng.standard_normal(pixels.shape, dtype=np.float32)
    return (255 * np.clip(pixels + noise * grain, 0, 1)).astype(np.uint8)


def _through_jpeg(pixels: Pixels, quality: int) -> Pixels:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def to_image(pixels: Floats) -> Image.Image:
    """``pixels`` from 0 to 1, cut off beyond, with 8 bits for each channel."""
    return Image.fromarray((255 * np.clip(pixels, 0, 1)).astype(np.uint8))
