import io

import numpy as np
import pytest
from PIL import Image

from nicheclip.data.perceptual_hash import perceptual_hash


def photograph(seed, size=(96, 72)):
    """Smooth colours with a few large shapes."""
    noise = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)


def saved(image, quality):
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return Image.open(io.BytesIO(stream.getvalue()))


def apart(one, two):
    return (perceptual_hash(one) ^ perceptual_hash(two)).bit_count()


@pytest.mark.parametrize("seed", range(5))
def test_versions_of_an_image_differ_in_few_bits_and_images_in_many(seed):
    image = photograph(seed)
    for version in (saved(image, 60), image.resize((48, 36)), image.point(lambda v: v * 0.9 + 10)):
        assert apart(image, version) <= 6
    assert apart(image, photograph(seed + 100)) > 16


def test_the_bits_against_the_definition():
    """Loops over the cosine transform of the grey image at 32 x 32, as in the docstring."""
    image = photograph(3, size=(32, 32))
    grey = np.asarray(image.convert("L"), float)
    n = np.arange(32)
    low = [
        (
            grey
            * np.cos(np.pi * u * (2 * n + 1) / 64)[:, None]
            * np.cos(np.pi * v * (2 * n + 1) / 64)[None, :]
        ).sum()
        for u in range(8)
        for v in range(8)
    ]
    middle = np.median(low)
    bits = "".join("1" if value > middle else "0" for value in low)
    assert perceptual_hash(image) == int(bits, 2)
    assert bits.count("1") == 32


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "CMYK", "I;16"])
def test_every_mode_has_one(mode):
    assert 0 <= perceptual_hash(Image.new(mode, (5, 300))) < 2**64
