"""The texts that retrieval chooses from: the captions of a split's own images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nicheclip.data.shard_reader import ShardSet
from nicheclip.runtime.errors import InputError

#: the text type that retrieval looks for
CAPTION = "caption"


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
    """n images, in the order of the shards."""
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


def read_gallery(shards: ShardSet) -> GalleryItems:
    """The captions of the images of ``shards``; images without one have no place.

    Raises:
        InputError: no image has a caption.
    """
    image_ids, labels, captions = [], [], []
    class_ids = shards.class_ids
    for index, image_id in enumerate(shards.image_ids):
        caption = shards.read_texts(index).get(CAPTION)
        if caption:
            image_ids.append(image_id)
            labels.append(class_ids[index])
            captions.append(caption)
    if not image_ids:
        raise InputError(
            f"{shards.folder}: no item has a caption, so there is nothing to retrieve. Set "
            "captions for the data set, or leave out the retrieval protocol."
        )
    gallery = make_gallery(labels, captions)
    pairs = zip(gallery.class_ids, gallery.texts, strict=True)
    place = {pair: entry for entry, pair in enumerate(pairs)}
    entries = [place[pair] for pair in zip(labels, captions, strict=True)]
    return GalleryItems(gallery, image_ids, np.asarray(entries, np.int64))
