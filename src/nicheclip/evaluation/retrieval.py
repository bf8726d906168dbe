"""Image-to-text retrieval: Recall@1 by class and by item."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nicheclip.evaluation.predictions import TOP, Predictions, make_predictions
from nicheclip.evaluation.ranking import TIE, rank
from nicheclip.models.features import Array

#: images compared with the whole gallery at once
CHUNK = 1_024


@dataclass(frozen=True)
class Gallery:
    """The texts to choose from: each (class, text) pair of the split's items once.

    A text that items of two classes share is two entries; their scores are equal, so either
    class gets half of the credit.
    """

    class_ids: list[str]
    """Class of each entry; sorted."""
    texts: list[str]
    """Text of each entry."""


@dataclass(frozen=True)
class RetrievalResult:
    """What retrieval gave for n images."""

    predictions: Predictions
    """Classes in the order of their best text; the score is that text's cosine."""
    by_class: npt.NDArray[np.float64]
    """Credit of each image: the text in first place is one of the image's class."""
    by_item: npt.NDArray[np.float64]
    """Credit of each image: the text in first place is the image's own."""
    chance_by_class: float
    """Expected mean of ``by_class`` for a random order of the gallery."""
    chance_by_item: float
    """Expected mean of ``by_item`` for a random order of the gallery."""


def make_gallery(labels: Sequence[str], texts: Sequence[str]) -> Gallery:
    """The unique (class, text) pairs of the items."""
    entries = sorted(set(zip(labels, texts, strict=True)))
    return Gallery([label for label, _ in entries], [text for _, text in entries])


def retrieve(
    image_ids: Sequence[str],
    images: Array,
    labels: Sequence[str],
    texts: Sequence[str],
    gallery: Gallery,
    gallery_features: Array,
) -> RetrievalResult:
    """Rank the gallery for each image by cosine and judge the first place.

    When m texts share the first place (within ``ranking.TIE``), an image's credit is the share of
    them that is right: what a random choice among them would get on average. A model that gives
    all texts the same embedding therefore scores exactly chance.

    Args:
        image_ids: n ids.
        images: features [n, d] of length 1.
        labels: the n true classes.
        texts: the n images' own texts.
        gallery: G entries.
        gallery_features: [G, d] of length 1.
    """
    # numbers in place of strings: they are compared n x G times
    class_ids, first_entry, entry_classes = np.unique(
        np.asarray(gallery.class_ids), return_index=True, return_inverse=True
    )
    class_number = {class_id: number for number, class_id in enumerate(class_ids.tolist())}
    image_classes = np.asarray([class_number.get(label, -1) for label in labels])
    text_number = {text: number for number, text in enumerate(dict.fromkeys(gallery.texts))}
    entry_texts = np.asarray([text_number[text] for text in gallery.texts])
    image_texts = np.asarray([text_number.get(text, -1) for text in texts])
    by_class, by_item, predictions = [], [], []
    chance_class, chance_item = [], []
    for start in range(0, len(image_ids), CHUNK):
        part = slice(start, start + CHUNK)
        cosines = images[part] @ gallery_features.T
        same_class = image_classes[part, None] == entry_classes[None]
        same_text = image_texts[part, None] == entry_texts[None]
        first = cosines >= cosines.max(axis=1, keepdims=True) - TIE
        by_class.append((first & same_class).sum(axis=1) / first.sum(axis=1))
        by_item.append((first & same_text).sum(axis=1) / first.sum(axis=1))
        chance_class.append(same_class.mean(axis=1))
        chance_item.append(same_text.mean(axis=1))
        best = np.maximum.reduceat(cosines, first_entry, axis=1)
        ids = list(image_ids[part])
        order = rank(best, ids, TOP)
        predictions.append(
            make_predictions(ids, list(labels[part]), class_ids.tolist(), order, best)
        )
    return RetrievalResult(
        predictions=Predictions(
            image_ids=[x for p in predictions for x in p.image_ids],
            labels=[x for p in predictions for x in p.labels],
            classes=[x for p in predictions for x in p.classes],
            scores=[x for p in predictions for x in p.scores],
        ),
        by_class=np.concatenate(by_class),
        by_item=np.concatenate(by_item),
        chance_by_class=float(np.concatenate(chance_class).mean()),
        chance_by_item=float(np.concatenate(chance_item).mean()),
    )
