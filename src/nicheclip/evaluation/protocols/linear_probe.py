"""Linear probe: logistic regression on a model's image features, learnt from the train split.

By default it is solved to its minimum. Each feature is scaled to a standard deviation of 1 over the
training images. The strength of the regularisation is chosen on held-out fifths of them; then all
are learnt from (Radford et al., arXiv 2103.00020, appendix A.3, with a grid in the place of their
search). ``probe: {solver: adamw}`` is CLIP_benchmark's instead: a few epochs, features as they are.
"""

import logging
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from nicheclip.config.probes import AdamwProbe, ProbeConfig
from nicheclip.evaluation.accuracy import accuracy_measures
from nicheclip.evaluation.evaluation_split import EvaluationSplit
from nicheclip.evaluation.logistic import Classifier, logistic_answers
from nicheclip.evaluation.predictions import Predictions
from nicheclip.evaluation.softmax_adamw import fit_softmax
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
#: up to so many training images each fifth is held out in turn: one fifth of few decides by chance
MOST_IN_TURN = 5_000
#: a larger train split is sampled, because the solver holds all of it
MOST_TRAINING_IMAGES = 50_000
STEPS = 1_000


def judge(task: Task) -> Judged:
    """Judge the images of the chosen classes by what the training images of these teach."""
    split, learnt = task.split(), task.learnt_split()
    probe = fit_probe(learnt, task.options.probe, seed=task.seed)
    found = probe.answers(split)
    count = len(probe.classifier.classes_)
    return Judged(
        n=len(found.image_ids),
        classes=count,
        measures=accuracy_measures(found, count, task.whole.classes, task.options, task.seed),
        predictions=found,
        counts={"training_images": probe.images} | task.left_out(split),
    )


class Probe(NamedTuple):
    """A fitted classifier."""

    classifier: Classifier
    mean: npt.NDArray[np.float64]
    """[d], of the training features; as ``deviation``. 0 and 1 where they are taken as they are."""
    deviation: npt.NDArray[np.float64]
    images: int
    """Learnt from."""

    def answers(self, split: EvaluationSplit) -> Predictions:
        """The best classes of the images of ``split``."""
        ids = split.images.image_ids
        scaled = (split.images.features - self.mean) / self.deviation
        return logistic_answers(self.classifier, scaled, ids, [split.labels[i] for i in ids])


def fit_probe(learnt: EvaluationSplit, options: ProbeConfig | None = None, *, seed: int) -> Probe:
    """Fit a probe to the features and labels of ``learnt``.

    Args:
        learnt: training images.
        options: the solver; the default one without.
        seed: of the sample of a large train split, or of the start and the order of batches.

    Raises:
        InputError: there are fewer than two classes.
    """
    ids, count = sorted(learnt.images.image_ids), len(set(learnt.labels.values()))
    if count < 2:
        raise InputError(
            f"linear_probe needs training images of two classes, there are {count}. "
            "Change the data set's split, or leave out the protocol."
        )
    if isinstance(options, AdamwProbe):
        draw = generator("linear probe by AdamW", seed)
        labels = [learnt.labels[image_id] for image_id in ids]
        features = learnt.images.rows(ids)
        nothing = np.zeros(features.shape[1])
        return Probe(fit_softmax(features, labels, options, draw), nothing, nothing + 1, len(ids))
    if len(ids) > MOST_TRAINING_IMAGES:
        draw = generator("linear probe", seed)
        chosen = np.sort(draw.choice(len(ids), size=MOST_TRAINING_IMAGES, replace=False))
        ids = [ids[place] for place in chosen]
    return _solved(learnt, ids)


def _solved(learnt: EvaluationSplit, ids: list[str]) -> Probe:
    """Logistic regression on the images ``ids``, solved to its minimum.

    Of strengths that are equally right on the held-out images the strongest penalty is taken, also
    where no class has two images.
    """
    labels = np.asarray([learnt.labels[image_id] for image_id in ids])
    features = learnt.images.rows(ids).astype(np.float64)
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    deviation[deviation == 0] = 1
    scaled = (features - mean) / deviation
    strength = _chosen_strength(scaled, labels)
    log.info("linear probe: inverse strength of the penalty %g", strength)
    return Probe(_fitted(scaled, labels, strength), mean, deviation, len(ids))


def _chosen_strength(scaled: npt.NDArray[np.float64], labels: npt.NDArray[np.str_]) -> float:
    parts, right = _parts(labels), np.zeros(len(STRENGTHS))
    for part in range(HELD_OUT) if len(labels) <= MOST_IN_TURN else range(1):
        held = parts == part
        for place, strength in enumerate(STRENGTHS) if held.any() else ():
            classifier = _fitted(scaled[~held], labels[~held], strength)
            right[place] += (classifier.predict(scaled[held]) == labels[held]).sum()
    return STRENGTHS[int(np.argmax(right))]


def _parts(labels: npt.NDArray[np.str_]) -> npt.NDArray[np.int64]:
    """[n]: in which part each image is held out; -1, never, for the only one of its class."""
    seen, counts = defaultdict[str, int](int), Counter(labels.tolist())
    parts = np.full(len(labels), -1)
    for row, label in enumerate(labels.tolist()):
        seen[label] += 1
        if counts[label] > 1:
            parts[row] = seen[label] % HELD_OUT
    return parts


def _fitted(
    features: npt.NDArray[np.float64], labels: npt.NDArray[np.str_], c: float
) -> "LogisticRegression":
    from sklearn.linear_model import LogisticRegression  # takes a second, and few jobs come here

    return LogisticRegression(C=c, max_iter=STEPS).fit(features, labels)
