"""Small encoded images for the tests of sources."""

import io

import numpy as np
from PIL import Image

from nicheclip.data.sources.base import Part


def jpeg(seed: int, size: tuple[int, int] = (24, 16)) -> bytes:
    """A small JPEG that differs with ``seed``."""
    noise = np.random.default_rng(seed).integers(0, 255, (3, 4, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).resize(size).save(stream, "JPEG")
    return stream.getvalue()


def png(seed: int) -> bytes:
    """A small PNG that differs with ``seed``."""
    noise = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).save(stream, "PNG")
    return stream.getvalue()


def every(source) -> list:
    """All that a source yields, in its order; places rise."""
    found = list(source.items(Part()))
    places = [place for place, _ in found]
    assert places == sorted(set(places))
    return [item for _, item in found]
