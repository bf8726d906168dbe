"""Nearest neighbours: the training images that are most alike vote for their classes.

A neighbour's vote is exp(cosine / 0.07) for its own class (Wu et al., arXiv 1805.01978, as DINO
judges its features).
"""

import numpy as np
import numpy.typing as npt

from nicheclip.evaluation.accuracy import accuracy_measures
from nicheclip.evaluation.evaluation_split import EvaluationSplit
from nicheclip.evaluation.predictions import TOP, Predictions, join_predictions, make_predictions
from nicheclip.evaluation.ranking import order_by_score
from nicheclip.evaluation.task import Judged, Task
from nicheclip.models.features import Array
from nicheclip.runtime.errors import InputError

TEMPERATURE = 0.07
#: judged images compared with all training images at once
IMAGES = 1_024


def judge(task: Task) -> Judged:
    """Judge the images of the chosen classes by the training images of these."""
    split, learnt = task.split(), task.learnt_split()
    found = neighbours_answers(learnt, split, task.options.neighbours)
    count = len(set(learnt.labels.values()))
    return Judged(
        n=len(found.image_ids),
        classes=count,
        measures=accuracy_measures(found, count, task.whole.classes, task.options, task.seed),
        predictions=found,
        counts={"training_images": len(learnt.labels)} | task.left_out(split),
    )


def neighbours_answers(
    learnt: EvaluationSplit, judged: EvaluationSplit, neighbours: int
) -> Predictions:
    """The classes with the largest shares of the votes.

    Args:
        learnt: n training images.
        judged: images to answer for.
        neighbours: how many vote; all where there are fewer. Of equally near ones the first ids do.

    Raises:
        InputError: there is no training image.
    """
    ids = sorted(learnt.images.image_ids)
    if not ids:
        raise InputError("knn: there is no training image. Change the data set's split.")
    features = learnt.images.rows(ids)
    class_ids, codes = np.unique([learnt.labels[i] for i in ids], return_inverse=True)
    parts = []
    for start in range(0, len(judged.images.image_ids), IMAGES):
        part = judged.images.image_ids[start : start + IMAGES]
        cosines = judged.images.features[start : start + IMAGES] @ features.T
        shares = _shares(cosines, codes, len(class_ids), min(neighbours, len(ids)))
        labels = [judged.labels[image_id] for image_id in part]
        order = order_by_score(shares, part, TOP)
        parts.append(make_predictions(part, labels, class_ids.tolist(), order, shares))
    return join_predictions(parts)


def _shares(
    cosines: Array, codes: npt.NDArray[np.intp], classes: int, neighbours: int
) -> npt.NDArray[np.float64]:
    """Shares of the votes [m, classes]."""
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :neighbours]
    near = np.take_along_axis(cosines, nearest, axis=1).astype(np.float64)
    votes = np.exp((near - near[:, :1]) / TEMPERATURE)  # the nearest one's is 1
    total = np.zeros((len(cosines), classes))
    np.add.at(total, (np.arange(len(cosines))[:, None], codes[nearest]), votes)
    shares: npt.NDArray[np.float64] = total / total.sum(axis=1, keepdims=True)
    return shares
