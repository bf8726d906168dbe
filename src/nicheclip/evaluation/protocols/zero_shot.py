"""Zero-shot classification: the nearest class embedding by cosine."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from nicheclip.config.evaluation import EvaluationConfig
from nicheclip.config.text_sets import class_text_set
from nicheclip.evaluation.accuracy import accuracy_measures, measure_share
from nicheclip.evaluation.bootstrap import mean_interval
from nicheclip.evaluation.evaluation_split import EvaluationSplit
from nicheclip.evaluation.measures import Measure
from nicheclip.evaluation.predictions import TOP, Predictions, join_predictions
from nicheclip.evaluation.ranking import Best, BestInBlocks
from nicheclip.evaluation.task import Judged, Task
from nicheclip.evaluation.text_sets import ClassEmbeddings
from nicheclip.models.features import Array, ImageFeatures

#: images and classes compared at once: memory is bounded by [IMAGES, CLASSES] numbers
IMAGES = 4_096
CLASSES = 4_096


def judge(task: Task) -> Judged:
    """Judge the images of the chosen classes against the embeddings of these classes."""
    split = task.split()
    classes = task.class_embeddings(class_text_set(task.options)).among(
        split.classes["class_id"].to_list()
    )
    found = answers(split, classes)
    count = len(classes.class_ids)
    counts = {"texts": int(classes.texts.sum()), "texts_cut": int(classes.cut.sum())}
    return Judged(
        n=len(found.image_ids),
        classes=count,
        measures=[
            *accuracy_measures(found, count, task.whole.classes, task.options, task.seed),
            *text_measures(split.images, split.labels, classes, task.options, task.seed),
            *space_measures(classes),
        ],
        predictions=found,
        counts=counts | task.left_out(split),
    )


def text_measures(
    images: ImageFeatures,
    labels: Mapping[str, str],
    classes: ClassEmbeddings,
    options: EvaluationConfig,
    seed: int,
) -> list[Measure]:
    """How well the texts of the classes suit the images, and how far they tell classes apart.

    ``text_score``: the mean cosine of an image and the embedding of its class (CLIPScore without
    its factor). ``text_separation``: 1 less the mean cosine of a class's embedding and the nearest
    one of another class; of many classes, among the first ``CLASSES``.
    """
    row = {class_id: place for place, class_id in enumerate(classes.class_ids)}
    own = np.array([row[labels[image_id]] for image_id in images.image_ids])
    scores = np.concatenate(
        [
            np.einsum("nd,nd->n", images.features[part], classes.embeddings[own[part]])
            for start in range(0, len(own), IMAGES)
            for part in [slice(start, start + IMAGES)]
        ]
    ).astype(np.float64)
    interval = mean_interval(
        scores,
        resamples=options.bootstrap,
        confidence=options.confidence,
        seed=seed,
        kind=options.interval,
    )
    score = measure_share("text_score", scores, interval, classes=len(row))
    few = classes.embeddings[:CLASSES]
    cosines = few @ few.T
    np.fill_diagonal(cosines, -1)
    separation = 1 - float(cosines.max(axis=1).mean())
    return [score, Measure(name="text_separation", value=separation, n=len(few), classes=len(few))]


def space_measures(classes: ClassEmbeddings) -> list[Measure]:
    """How the texts of all classes lie to each other: see ``evaluation.text_spaces``."""
    return [
        Measure(
            name=name,
            value=value,
            n=space.texts,
            classes=len(classes.class_ids),
            facets={"by": space.gate} if space.gate else {},
        )
        for space in classes.spaces
        for name, value in (
            ("text_diversity", space.diversity),
            ("text_separability", space.separability),
        )
        if value is not None
    ]


class SoftmaxInBlocks:
    """softmax over classes [n, C] whose logits come in blocks, and are not kept."""

    def __init__(self, rows: int) -> None:
        self._largest = np.full(rows, -np.inf)
        self._total = np.zeros(rows)

    def add(self, logits: npt.NDArray[np.float64]) -> None:
        """Take in the logits [n, b] of the next b classes; they are overwritten."""
        largest = np.maximum(self._largest, logits.max(axis=1))
        np.subtract(logits, largest[:, None], out=logits)
        np.exp(logits, out=logits)
        self._total = self._total * np.exp(self._largest - largest) + logits.sum(axis=1)
        self._largest = largest

    def probabilities(self, logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The probabilities of classes with these logits [n, k], among all that were added."""
        shares: npt.NDArray[np.float64] = np.exp(logits - self._largest[:, None])
        return shares / self._total[:, None]


def answers(
    split: EvaluationSplit, classes: ClassEmbeddings, *, temperature: float = 1.0
) -> Predictions:
    """What a model answers for the images of ``split`` among ``classes``.

    Its logits are divided by ``temperature``.
    """
    return zero_shot(
        split.images,
        split.labels,
        classes.class_ids,
        classes.embeddings,
        logit_scale=classes.logit_scale / temperature,
    )


def zero_shot(
    images: ImageFeatures,
    labels: dict[str, str],
    class_ids: list[str],
    embeddings: Array,
    *,
    logit_scale: float,
) -> Predictions:
    """The five classes whose embeddings have the largest cosine, with their probabilities.

    Equal cosines are ordered as ``ranking.order_by_score`` says. The probabilities are CLIP's:
    softmax(logit_scale * cosine) over all classes.

    Args:
        images: n images.
        labels: the true class of each, by image id.
        class_ids: the C classes to choose from.
        embeddings: [C, d], rows of length 1.
        logit_scale: inverse temperature of the probabilities; does not change the order.
    """
    parts = []
    for start in range(0, len(images.image_ids), IMAGES):
        ids = images.image_ids[start : start + IMAGES]
        best, probabilities = nearest(
            images.features[start : start + IMAGES], ids, embeddings, logit_scale
        )
        parts.append(
            Predictions(
                image_ids=ids,
                labels=[labels[image_id] for image_id in ids],
                classes=[[class_ids[column] for column in row] for row in best.order],
                scores=probabilities.tolist(),
            )
        )
    return join_predictions(parts)


def nearest(
    features: Array, image_ids: list[str], embeddings: Array, logit_scale: float
) -> tuple[Best, npt.NDArray[np.float64]]:
    """The best columns of n images [n, d], and their probabilities [n, k]."""
    best, softmax = BestInBlocks(len(features), TOP), SoftmaxInBlocks(len(features))
    block = features @ embeddings[:CLASSES].T
    best.add(block)
    softmax.add(np.multiply(block, logit_scale, dtype=np.float64))
    if len(embeddings) <= CLASSES:
        found = best.settle(image_ids, lambda rows: block[rows])
    else:
        for start in range(CLASSES, len(embeddings), CLASSES):
            cosines = features @ embeddings[start : start + CLASSES].T
            best.add(cosines)
            softmax.add(np.multiply(cosines, logit_scale, dtype=np.float64))
        found = best.settle(image_ids, lambda rows: features[rows] @ embeddings.T)
    logits = np.multiply(found.scores, logit_scale, dtype=np.float64)
    return found, softmax.probabilities(logits)
