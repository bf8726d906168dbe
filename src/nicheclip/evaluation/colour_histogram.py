"""A simple baseline: logistic regression on colour histograms, learnt from the train split.

It sees no shape and no text. A model that does not beat it may have learnt colours only.
"""

import io
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from sklearn.linear_model import LogisticRegression

from nicheclip.data.image_set import ImageSet
from nicheclip.data.labels import Labels
from nicheclip.evaluation.accuracy import accuracy_measures
from nicheclip.evaluation.cell_files import write_cell
from nicheclip.evaluation.logistic import logistic_answers
from nicheclip.evaluation.measures import CellMetrics, measure_cost
from nicheclip.evaluation.predictions import Predictions, read_classes
from nicheclip.evaluation.requests import Request
from nicheclip.evaluation.seen_classes import ClassGroups, choose_classes
from nicheclip.evaluation.split_tables import SplitTables
from nicheclip.evaluation.task import Judged
from nicheclip.models.features import IMAGES_AGAIN
from nicheclip.runtime.errors import InputError, reading
from nicheclip.runtime.progress import progress
from nicheclip.runtime.seeding import generator
from nicheclip.subjects import COLOUR_HISTOGRAM

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


class Histograms:
    """The colour histograms of a split, made when they are asked for, and once."""

    def __init__(self, images: ImageSet) -> None:
        self.images = images
        self.class_ids = Labels(images.folder).class_ids
        """The label of each image."""
        self._known: dict[int, npt.NDArray[np.float32]] = {}

    def rows(self, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.float32]:
        """[n, 512] of the images with these numbers."""
        new = [row for row in rows.tolist() if row not in self._known]
        for row in progress(new, label="colour histograms", total=len(new)):
            image = self.images.read(row)
            source = f"{self.images.folder}: image {image.image_id}"
            with reading(source, "a whole image", IMAGES_AGAIN):
                self._known[row] = colour_histogram(image.encoded)
        return np.stack([self._known[row] for row in rows.tolist()])


def judge_colour_histogram(
    train: Histograms, judged: Histograms, class_ids: Collection[str], *, seed: int
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
    labels, judged_labels = train.class_ids, judged.class_ids
    rows, judged_rows = _rows_among(labels, class_ids), _rows_among(judged_labels, class_ids)
    learnt = {labels[row] for row in rows}
    if len(learnt) < 2:
        raise InputError(
            f"{train.images.folder}: the colour histogram needs two classes to learn from, there "
            f"are {len(learnt)}. Set baseline: false for this evaluation."
        )
    if len(rows) > MOST_TRAINING_IMAGES:
        draw = generator("colour histogram", seed)
        rows = rows[np.sort(draw.choice(len(rows), size=MOST_TRAINING_IMAGES, replace=False))]
    classifier = LogisticRegression(C=10.0, max_iter=1000)
    classifier.fit(train.rows(rows), [labels[row] for row in rows])
    all_ids = judged.images.image_ids
    predictions = logistic_answers(
        classifier,
        judged.rows(judged_rows),
        [all_ids[row] for row in judged_rows],
        [judged_labels[row] for row in judged_rows],
    )
    return HistogramResult(predictions, classifier.classes_.tolist(), len(rows))


def judge_baseline(
    requests: Sequence[Request],
    tables: SplitTables,
    groups: ClassGroups,
    *,
    train: ImageSet,
    judged: ImageSet,
    seed: int,
    job: Path,
) -> list[CellMetrics]:
    """Judge the colour histogram by each evaluation; writes the cells into ``job``.

    Evaluations that choose the same classes share what is learnt.

    Args:
        requests: the evaluations.
        tables: of the judged split.
        groups: of the classes.
        train: images of the train split; their labels lie beside them.
        judged: of the judged split.
        seed: of the bootstrap, and of the sample of a large train split.
        job: the folder of the job.
    """
    learnt_from, judged_on = Histograms(train), Histograms(judged)
    table = read_classes(tables.classes)
    known: dict[tuple[str, ...], HistogramResult] = {}
    written = []
    for request in requests:
        start, options = time.monotonic(), request.options
        chosen = choose_classes(
            options.classes, groups.by(options.seen_in, options.within), seen_in=options.seen_in
        )
        if tuple(chosen) not in known:
            known[tuple(chosen)] = judge_colour_histogram(learnt_from, judged_on, chosen, seed=seed)
        found = known[tuple(chosen)]
        n, count = len(found.predictions.image_ids), len(found.class_ids)
        counts = {"training_images": found.training_images}
        if options.chooses:
            counts["images_of_other_classes"] = len(judged) - n
        scored = Judged(
            n=n,
            classes=count,
            measures=accuracy_measures(found.predictions, count, table, options, seed),
            predictions=found.predictions,
            counts=counts,
        )
        cost = measure_cost(time.monotonic() - start)
        names = (request.evaluation, request.protocol)
        written.append(write_cell(job, tables, COLOUR_HISTOGRAM, *names, scored, cost))
    return written


def _rows_among(labels: Sequence[str], class_ids: Collection[str]) -> npt.NDArray[np.intp]:
    chosen = set(class_ids)
    return np.flatnonzero([class_id in chosen for class_id in labels])
