"""Image-to-text retrieval: Recall@1 by class and by item."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nicheclip.evaluation.accuracy import accuracy_measures, image_interval, measure_share
from nicheclip.evaluation.gallery import Gallery
from nicheclip.evaluation.measures import Measure
from nicheclip.evaluation.predictions import TOP, Predictions, join_predictions, make_predictions
from nicheclip.evaluation.ranking import TIE, order_by_score
from nicheclip.evaluation.task import Judged, Task
from nicheclip.models.features import Array
from nicheclip.runtime.manifest import Dropped

#: images compared with the whole gallery at once
CHUNK = 1_024


def judge(task: Task) -> Judged:
    """Judge which captions the images find; images without a caption are left out and listed."""
    found = task.gallery()
    items = found.items
    result = retrieve(
        items.image_ids,
        task.whole.images.rows(items.image_ids),
        items.labels,
        items.texts,
        items.gallery,
        found.embeddings,
    )
    count = len(set(items.gallery.class_ids))
    measures = accuracy_measures(
        result.predictions, count, task.whole.classes, task.options, task.seed
    )
    with_caption = set(items.image_ids)
    return Judged(
        n=len(items.image_ids),
        classes=count,
        measures=[*measures, *_recalls(result, task)],
        predictions=result.predictions,
        counts={"gallery": len(items.gallery.texts), "texts_cut": found.cut},
        excluded=[
            Dropped(key=image_id, reason="no caption")
            for image_id in task.whole.images.image_ids
            if image_id not in with_caption
        ],
    )


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


def _recalls(result: "RetrievalResult", task: Task) -> list[Measure]:
    credits = {
        "class": (result.by_class, result.chance_by_class),
        "item": (result.by_item, result.chance_by_item),
    }
    return [
        measure_share(
            "recall_at_1",
            credit,
            image_interval(credit, task.options, task.seed),
            chance=chance,
            facets={"by": by},
        )
        for by, (credit, chance) in credits.items()
    ]


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
        order = order_by_score(best, ids, TOP)
        predictions.append(
            make_predictions(ids, list(labels[part]), class_ids.tolist(), order, best)
        )
    return RetrievalResult(
        predictions=join_predictions(predictions),
        by_class=np.concatenate(by_class),
        by_item=np.concatenate(by_item),
        chance_by_class=float(np.concatenate(chance_class).mean()),
        chance_by_item=float(np.concatenate(chance_item).mean()),
    )
