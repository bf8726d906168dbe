"""A simple baseline: logistic regression on colour histograms, learnt from the train split.

It sees no shape and no text. A model that does not beat it may have learnt colours only.
"""

import io
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image
from sklearn.linear_model import LogisticRegression

from nicheclip.data.shard_reader import ShardSet
from nicheclip.evaluation.predictions import TOP, Predictions, make_predictions
from nicheclip.evaluation.ranking import rank
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.progress import progress
from nicheclip.runtime.seeding import generator

#: bins of each of red, green and blue
BINS = 8

#: a larger train split is sampled, because the solver holds all of it
MOST_TRAINING_IMAGES = 20_000


@dataclass(frozen=True)
class HistogramResult:
    """Predictions on the judged split, and what they were learnt from."""

    predictions: Predictions
    class_ids: list[str]
    """The classes that the train split has."""
    training_images: int


def colour_histogram(image: bytes) -> npt.NDArray[np.float32]:
    """Square roots of the shares of the 8 x 8 x 8 RGB bins of an encoded image [512].

    The square root makes the Euclidean distance of two histograms their Hellinger distance (up to
    a factor), which is kinder to large uniform backgrounds.
    """
    with Image.open(io.BytesIO(image)) as opened:
        pixels = np.asarray(opened.convert("RGB"), dtype=np.int64).reshape(-1, 3) * BINS // 256
    bins = (pixels[:, 0] * BINS + pixels[:, 1]) * BINS + pixels[:, 2]
    counts = np.bincount(bins, minlength=BINS**3)
    histogram: npt.NDArray[np.float32] = np.sqrt(counts / counts.sum()).astype(np.float32)
    return histogram


def judge_colour_histogram(
    train: ShardSet, judged: ShardSet, class_ids: Collection[str], *, seed: int
) -> HistogramResult:
    """Learn from ``train``, predict ``judged``; scores are the classifier's probabilities.

    Args:
        train: what is learnt from.
        judged: what is predicted.
        class_ids: images of other classes are left out of both.
        seed: of the sample of a large train split.

    Raises:
        InputError: the train split has fewer than two classes.
    """
    rows, judged_rows = _rows_among(train, class_ids), _rows_among(judged, class_ids)
    learnt = {train.class_ids[row] for row in rows}
    if len(learnt) < 2:
        raise InputError(
            f"{train.folder}: the colour histogram needs two classes to learn from, there are "
            f"{len(learnt)}. Set baseline: false for this evaluation."
        )
    if len(rows) > MOST_TRAINING_IMAGES:
        draw = generator("colour histogram", seed)
        rows = rows[np.sort(draw.choice(len(rows), size=MOST_TRAINING_IMAGES, replace=False))]
    classifier = LogisticRegression(C=10.0, max_iter=1000)
    classifier.fit(_histograms(train, rows), [train.class_ids[row] for row in rows])
    probabilities = classifier.predict_proba(_histograms(judged, judged_rows))
    columns = [str(class_id) for class_id in classifier.classes_]
    image_ids = [judged.image_ids[row] for row in judged_rows]
    predictions = make_predictions(
        image_ids,
        [judged.class_ids[row] for row in judged_rows],
        columns,
        rank(probabilities, image_ids, TOP),
        probabilities,
    )
    return HistogramResult(predictions, columns, len(rows))


def _rows_among(shards: ShardSet, class_ids: Collection[str]) -> npt.NDArray[np.intp]:
    chosen = set(class_ids)
    return np.flatnonzero([class_id in chosen for class_id in shards.class_ids])


def _histograms(shards: ShardSet, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.float32]:
    steps = progress(rows, label="colour histograms", total=len(rows))
    return np.stack([colour_histogram(shards.read(int(row)).jpg) for row in steps])
