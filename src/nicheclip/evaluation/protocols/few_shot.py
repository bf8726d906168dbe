"""SimpleShot few-shot classification (Wang et al., arXiv 1911.04623), the CL2N variant.

Features of length 1 are centred on the mean of the support set and scaled to length 1 again; an
image belongs to the class whose centroid of support features is nearest.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nicheclip.evaluation.bootstrap import class_share_interval
from nicheclip.evaluation.folds import read_folds
from nicheclip.evaluation.measures import Measure
from nicheclip.evaluation.ranking import order_by_score
from nicheclip.evaluation.task import Judged, Task
from nicheclip.models.features import Array, ImageFeatures, l2_normalise
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.manifest import Dropped

#: query images compared with all centroids at once
CHUNK = 4_096


def judge(task: Task) -> Judged:
    """Judge SimpleShot on stored support sets: mean and spread over folds, interval over classes.

    An image is a query in several folds, so there are no predictions of the cell as a whole.
    """
    split = task.split()
    supports = read_folds(task.folds_file())
    answers = few_shot_answers(task.whole.images, task.whole.labels, supports)
    judged = set(split.labels.values())
    measures, excluded = [], []
    for shots, folds in answers.items():
        classes = {task.whole.labels[image_id] for image_id in supports[shots, 0]}
        values = np.asarray([fold.right.mean() for fold in folds])
        interval = class_share_interval(
            np.concatenate([fold.right for fold in folds]),
            np.concatenate([fold.labels for fold in folds]).tolist(),
            resamples=task.options.bootstrap,
            confidence=task.options.confidence,
            seed=task.seed,
            kind=task.options.interval,
        )
        measures.append(
            Measure(
                name="top1",
                facets={"shots": str(shots)},
                value=float(values.mean()),
                n=len(values),
                classes=len(classes),
                std=float(values.std(ddof=1)) if len(values) > 1 else None,
                chance=1 / len(classes),
                **interval.model_dump(),
            )
        )
        excluded += [
            Dropped(key=c, reason=f"fewer than {shots + 1} images, {shots}-shot")
            for c in sorted(judged - classes)
        ]
    return Judged(
        n=len(split.labels),
        classes=len(judged),
        measures=measures,
        counts=task.left_out(split),
        excluded=excluded,
    )


def nearest_centroid(
    support: Array,
    support_labels: Sequence[str] | npt.NDArray[np.str_],
    query: Array,
    query_ids: Sequence[str],
) -> list[str]:
    """The class of each query image by SimpleShot CL2N.

    Args:
        support: features [s, d] of length 1.
        support_labels: their s classes.
        query: features [q, d] of length 1.
        query_ids: q image ids; they settle equal distances (``ranking.order_by_score``).
    """
    centre = support.mean(axis=0, keepdims=True, dtype=np.float64)
    centred = l2_normalise(support - centre)
    class_ids, rows = np.unique(np.asarray(support_labels), return_inverse=True)
    centroids = np.zeros((len(class_ids), support.shape[1]))
    np.add.at(centroids, rows, centred)
    centroids /= np.bincount(rows)[:, None]
    best: list[str] = []
    for start in range(0, len(query), CHUNK):
        part = l2_normalise(query[start : start + CHUNK] - centre)
        # |q - c|^2 = |q|^2 - 2 (q.c - |c|^2 / 2): the nearest centroid has the largest bracket
        scores = part @ centroids.T - (centroids**2).sum(axis=1) / 2
        order = order_by_score(scores, query_ids[start : start + CHUNK], 1)[:, 0]
        best += class_ids[order].tolist()
    return best


def few_shot(
    images: ImageFeatures,
    labels: Mapping[str, str],
    folds: Mapping[tuple[int, int], Sequence[str]],
) -> dict[int, npt.NDArray[np.float64]]:
    """Accuracy of each fold, by number of shots; see ``few_shot_answers``."""
    answers = few_shot_answers(images, labels, folds)
    return {n: np.asarray([fold.right.mean() for fold in found]) for n, found in answers.items()}


class FoldAnswers(NamedTuple):
    """What was answered in one fold."""

    labels: npt.NDArray[np.str_]
    """[q]: the classes of the query images."""
    right: npt.NDArray[np.float64]
    """[q]: 1 where the answer was that class, else 0."""


def few_shot_answers(
    images: ImageFeatures,
    labels: Mapping[str, str],
    folds: Mapping[tuple[int, int], Sequence[str]],
) -> dict[int, list[FoldAnswers]]:
    """The answers of each fold, by number of shots.

    Each fold is judged on all images of its classes that do not support it.

    Raises:
        InputError: a support image is not of this split, or a class lacks support.
    """
    place = {image_id: row for row, image_id in enumerate(images.image_ids)}
    ids = np.asarray(images.image_ids)
    truth = np.asarray([labels[image_id] for image_id in images.image_ids])
    _, codes = np.unique(truth, return_inverse=True)
    answers: dict[int, list[FoldAnswers]] = defaultdict(list)
    for (shots, fold), support_ids in sorted(folds.items()):
        _check(shots, fold, support_ids, labels)
        support = np.asarray([place[image_id] for image_id in support_ids])
        asked = np.isin(codes, codes[support])
        asked[support] = False
        predicted = nearest_centroid(
            images.features[support], truth[support], images.features[asked], ids[asked].tolist()
        )
        right = (truth[asked] == np.asarray(predicted)).astype(np.float64)
        answers[shots].append(FoldAnswers(truth[asked], right))
    return dict(answers)


def _check(shots: int, fold: int, support_ids: Sequence[str], labels: Mapping[str, str]) -> None:
    unknown = [image_id for image_id in support_ids if image_id not in labels]
    if unknown:
        raise InputError(
            f"folds, {shots}-shot, fold {fold}: image {unknown[0]} is not in the split. Delete "
            "the folds file and draw it again."
        )
    uneven = [
        c for c, n in Counter(labels[image_id] for image_id in support_ids).items() if n != shots
    ]
    if uneven:
        raise InputError(
            f"folds, {shots}-shot, fold {fold}: class {uneven[0]} does not have {shots} "
            "support images. Delete the folds file and draw it again."
        )
