"""The texts that retrieval chooses from: the captions of a split's own images."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nicheclip.data.image_set import ImageSet
from nicheclip.data.labels import Labels
from nicheclip.data.mapped import MappedTable
from nicheclip.data.sample_texts import CAPTION
from nicheclip.runtime.errors import InputError
from nicheclip.schemas import ROW_CAPTIONS


@dataclass(frozen=True)
class Gallery:
    """Each (class, text) pair of the split's items once.

    A text that items of two classes share is two entries; their scores are equal, so either
    class gets half of the credit.
    """

    class_ids: list[str]
    """Class of each entry; sorted."""
    texts: list[str]
    """Text of each entry."""


@dataclass(frozen=True)
class GalleryItems:
    """A gallery with the images that have a place in it."""

    gallery: Gallery
    image_ids: list[str]
    """n images, in the order of the set."""
    entries: npt.NDArray[np.int64]
    """[n]: the gallery's entry of each image."""

    @property
    def labels(self) -> list[str]:
        """The class of each image."""
        return [self.gallery.class_ids[entry] for entry in self.entries]

    @property
    def texts(self) -> list[str]:
        """The text of each image."""
        return [self.gallery.texts[entry] for entry in self.entries]


def make_gallery(labels: Sequence[str], texts: Sequence[str]) -> Gallery:
    """The unique (class, text) pairs of the items."""
    entries = sorted(set(zip(labels, texts, strict=True)))
    return Gallery([label for label, _ in entries], [text for _, text in entries])


def read_gallery(images: ImageSet, own_captions: Path | None) -> GalleryItems:
    """The captions of a split's images; images without one have no place.

    Args:
        images: of the split; their labels lie beside them.
        own_captions: schema ``ROW_CAPTIONS``; None: no image has a caption.

    Raises:
        InputError: no image has a caption, or the captions are of another state of the images.
    """
    found: list[str | None] = [None] * len(images)
    if own_captions is not None:
        found = MappedTable(own_captions, ROW_CAPTIONS).column(CAPTION).to_pylist()
    if len(found) != len(images):
        raise InputError(
            f"{own_captions}: has {len(found)} rows for {len(images)} images. Run the workflow "
            "again: it makes what is out of date."
        )
    rows = zip(images.image_ids, Labels(images.folder).class_ids, found, strict=True)
    carrying = [row for row in rows if row[2]]
    image_ids, labels = [row[0] for row in carrying], [row[1] for row in carrying]
    captions = [row[2] for row in carrying if row[2]]
    if not image_ids:
        raise InputError(
            f"{images.folder}: no image has a caption, so there is nothing to retrieve. Set "
            "captions for the data set, or leave out the retrieval protocol."
        )
    gallery = make_gallery(labels, captions)
    pairs = zip(gallery.class_ids, gallery.texts, strict=True)
    place = {pair: entry for entry, pair in enumerate(pairs)}
    entries = [place[pair] for pair in zip(labels, captions, strict=True)]
    return GalleryItems(gallery, image_ids, np.asarray(entries, np.int64))
