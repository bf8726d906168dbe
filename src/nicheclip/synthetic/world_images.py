"""One encoded image of a procedural world, and its place in its world."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from PIL import Image

from nicheclip.synthetic.raster import Pixels

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")

JPEG_QUALITY = 95


@dataclass(frozen=True)
class SyntheticImage:
    """One encoded image."""

    key: str
    """``<label>/<split>/<index>``."""
    jpg: bytes
    label: str
    """The class id."""
    split: Split
    name: str
    """What the class is called: in plain words, or a binomial."""
    common: str = ""
    lineage: Mapping[str, str] = field(default_factory=dict)
    """Names by rank, the epithet alone under ``species``; empty in `fungi`."""
    extra: Mapping[str, float] = field(default_factory=dict)
    """In `fungi` ``time_s`` (seconds) and ``temperature_k`` (kelvin)."""


@dataclass(frozen=True)
class Place:
    """An image's place in its world: all that its content depends on, beside the seed."""

    label: str
    split: Split
    index: int

    @property
    def key(self) -> str:
        """``<label>/<split>/<index>``."""
        return f"{self.label}/{self.split}/{self.index:06d}"


def encode(pixels: Pixels) -> bytes:
    """``pixels`` as a JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return buffer.getvalue()
