"""What every source of images yields."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from nicheclip.runtime.manifest import Dropped

#: suffixes of files that are taken for images; anything else is dropped with a reason
IMAGE_SUFFIXES = frozenset(
    {
        *(".avif", ".bmp", ".gif", ".heic", ".heif", ".jp2", ".jpeg", ".jpg"),
        *(".png", ".ppm", ".tif", ".tiff", ".webp"),
    }
)


#: control characters, marks of no width, halves of characters, and what is no character
_INVISIBLE = re.compile("[\x00-\x1f\x7f-\x9f\u200b\u2060\ud800-\udfff\ufeff\ufffe\uffff]")


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
    group: str | None = None
    """What it belongs to with others: a slide, an animal, a day."""


@dataclass(frozen=True)
class Part:
    """Which share of a source one job takes, of all that run side by side."""

    number: int = 0
    of: int = 1

    def holds(self, number: int) -> bool:
        """Whether the file, row or member with this number is in the share: every ``of``-th is."""
        return number % self.of == self.number


#: numbers that the items of one file of a source may take up
ITEMS_OF_A_FILE = 1 << 40

Item = tuple[int, SourceImage | Dropped]
"""A place in the order of the source, which never changes, and what is there."""


class ImageSource(Protocol):
    """A source: images, and what was left out of it, with their places in its order.

    Sources stream: they hold one image, never the set. All parts together give every place once,
    and a part gives its places in their order.
    """

    def items(self, part: Part) -> Iterator[Item]:
        """What a part has, by place."""
        ...


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
    """``text`` as a name: in Unicode's composed form, with single spaces, without what nobody sees.

    Control characters would also break the figures that show it.
    """
    return _INVISIBLE.sub("", " ".join(unicodedata.normalize("NFC", text).split())).strip()


def readable(label: str) -> str:
    """``label`` as people write it: with spaces for underscores."""
    return clean_label(label.replace("_", " ")) or label


def is_image_name(name: str) -> bool:
    """Whether a file called ``name`` is taken for an image."""
    return "." in name and name[name.rindex(".") :].lower() in IMAGE_SUFFIXES
