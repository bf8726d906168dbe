"""Small encoded images for the tests of sources."""

import io

import numpy as np
from PIL import Image


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
