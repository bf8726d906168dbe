"""What every source of images yields."""

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from nicheclip.runtime.manifest import Dropped

#: suffixes of files that are taken for images; anything else is dropped with a reason
IMAGE_SUFFIXES = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".jp2", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)


@dataclass(frozen=True)
class SourceImage:
    """An image as its source has it, before any check of the bytes."""

    key: str
    """Its place in its source; unique there and the same on every machine."""
    data: bytes
    """The encoded file."""
    label: str
    """The class id."""
    split: str | None = None
    """train, val or test, where the source says."""
    name: str = ""
    """How a person would write the class; empty: the label."""
    lineage: Mapping[str, str] = field(default_factory=dict)
    """Names by rank, as far as the source gives them."""
    common: str = ""
    licence: str | None = None
    rights_holder: str | None = None
    url: str | None = None
    attributes: Mapping[str, float] = field(default_factory=dict)
    """What else the source knows of the image, in units that the names say."""


class ImageSource(Protocol):
    """A source: images and what was left out of it, in an order that never changes.

    Sources stream: they hold one image, never the set.
    """

    def __iter__(self) -> Iterator[SourceImage | Dropped]: ...


@dataclass(frozen=True)
class SourceSetting:
    """What a source may use beside its config."""

    name: str
    """Of the data set, or of its registry entry; downloads are kept in a folder of this name."""
    registry: Path
    """The folder of registry entries of data sets."""
    seed: int
    """Of a synthetic world."""
    workers: int
    """Threads or processes that a synthetic world may use."""


def clean_label(text: str) -> str:
    """``text`` without outer white space, in Unicode's composed form."""
    return unicodedata.normalize("NFC", text).strip()


def is_image_name(name: str) -> bool:
    """Whether a file called ``name`` is taken for an image."""
    return "." in name and name[name.rindex(".") :].lower() in IMAGE_SUFFIXES
