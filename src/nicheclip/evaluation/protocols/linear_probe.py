"""Linear probe: logistic regression on a model's image features, learnt from the train split.

Each feature is scaled to a standard deviation of 1 over the training images. The strength of the
regularisation is chosen on a fifth of them, held out; then all are learnt from (Radford et al.,
arXiv 2103.00020, appendix A.3, with a grid in the place of their search).
"""

import logging
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from nicheclip.evaluation.accuracy import accuracy_measures
from nicheclip.evaluation.evaluation_split import EvaluationSplit
from nicheclip.evaluation.logistic import logistic_answers
from nicheclip.evaluation.predictions import Predictions
from nicheclip.evaluation.task import Judged, Task
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.seeding import generator

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

log = logging.getLogger(__name__)

#: inverse strengths of the squared penalty
STRENGTHS = tuple(10.0**power for power in range(-5, 3))
#: of each class's training images every so-many-th is held out while the strength is chosen
HELD_OUT = 5
#: a larger train split is sampled, because the solver holds all of it
MOST_TRAINING_IMAGES = 50_000
STEPS = 1_000


def judge(task: Task) -> Judged:
    """Judge the images of the chosen classes by what the training images of these teach."""
    split, learnt = task.split(), task.learnt_split()
    probe = fit_probe(learnt, seed=task.seed)
    found = probe.answers(split)
    count = len(probe.classifier.classes_)
    log.info("linear probe: inverse strength of the penalty %g", probe.classifier.C)
    return Judged(
        n=len(found.image_ids),
        classes=count,
        measures=accuracy_measures(found, count, task.whole.classes, task.options, task.seed),
        predictions=found,
        counts={"training_images": probe.images} | task.left_out(split),
    )


class Probe(NamedTuple):
    """A fitted classifier."""

    classifier: "LogisticRegression"
    mean: npt.NDArray[np.float64]
    """[d], of the training features; as ``deviation``."""
    deviation: npt.NDArray[np.float64]
    images: int
    """Learnt from."""

    def answers(self, split: EvaluationSplit) -> Predictions:
        """The best classes of the images of ``split``."""
        ids = split.images.image_ids
        scaled = (split.images.features - self.mean) / self.deviation
        return logistic_answers(self.classifier, scaled, ids, [split.labels[i] for i in ids])


def fit_probe(learnt: EvaluationSplit, *, seed: int) -> Probe:
    """Fit a probe to the features and labels of ``learnt``.

    Of strengths that are equally right on the held-out images the strongest penalty is taken, also
    where no class has an image to hold out.

    Args:
        learnt: training images.
        seed: of the sample of a large train split.

    Raises:
        InputError: there are fewer than two classes.
    """
    ids = sorted(learnt.images.image_ids)
    if len(ids) > MOST_TRAINING_IMAGES:
        draw = generator("linear probe", seed)
        chosen = np.sort(draw.choice(len(ids), size=MOST_TRAINING_IMAGES, replace=False))
        ids = [ids[place] for place in chosen]
    labels = np.asarray([learnt.labels[image_id] for image_id in ids])
    if len(set(labels.tolist())) < 2:
        raise InputError(
            f"linear_probe needs training images of two classes, there are {len(set(labels))}. "
            "Change the data set's split, or leave out the protocol."
        )
    features = learnt.images.rows(ids).astype(np.float64)
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    deviation[deviation == 0] = 1
    scaled = (features - mean) / deviation
    held = _held_out(labels)
    strength = STRENGTHS[0]
    if held.any():
        strength = _chosen_strength(scaled, labels, held)
    return Probe(_fitted(scaled, labels, strength), mean, deviation, len(ids))


def _held_out(labels: npt.NDArray[np.str_]) -> npt.NDArray[np.bool_]:
    """[n]: every ``HELD_OUT``-th image of each class."""
    seen: defaultdict[str, int] = defaultdict(int)
    held = np.zeros(len(labels), bool)
    for row, label in enumerate(labels.tolist()):
        seen[label] += 1
        held[row] = seen[label] % HELD_OUT == 0
    return held


def _chosen_strength(
    scaled: npt.NDArray[np.float64], labels: npt.NDArray[np.str_], held: npt.NDArray[np.bool_]
) -> float:
    right: list[float] = []
    for strength in STRENGTHS:
        classifier = _fitted(scaled[~held], labels[~held], strength)
        right.append(float((classifier.predict(scaled[held]) == labels[held]).mean()))
    return STRENGTHS[int(np.argmax(right))]


def _fitted(
    features: npt.NDArray[np.float64], labels: npt.NDArray[np.str_], c: float
) -> "LogisticRegression":
    from sklearn.linear_model import LogisticRegression  # takes a second, and few jobs come here

    return LogisticRegression(C=c, max_iter=STEPS).fit(features, labels)
