"""Zero-shot classification: the nearest class embedding by cosine."""

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from nicheclip.evaluation.class_texts import ClassEmbeddings
from nicheclip.evaluation.predictions import TOP, Predictions, make_predictions
from nicheclip.evaluation.ranking import rank
from nicheclip.models.features import ImageFeatures

#: images compared with all classes at once, which bounds memory to this many rows of C numbers
CHUNK = 4_096


def class_probabilities(
    cosines: npt.NDArray[np.floating], logit_scale: float
) -> npt.NDArray[np.float64]:
    """softmax(logit_scale * cosine) over the classes [n, C], as CLIP has it."""
    probabilities: npt.NDArray[np.float64] = softmax(
        logit_scale * cosines.astype(np.float64), axis=1
    )
    return probabilities


def zero_shot(
    images: ImageFeatures,
    labels: dict[str, str],
    classes: ClassEmbeddings,
    *,
    logit_scale: float,
) -> Predictions:
    """The five classes whose embeddings have the largest cosine, with their probabilities.

    Equal cosines are ordered as ``ranking.rank`` says.

    Args:
        images: n images.
        labels: the true class of each, by image id.
        classes: what to choose from.
        logit_scale: inverse temperature of the probabilities; does not change the order.
    """
    parts = []
    for start in range(0, len(images.image_ids), CHUNK):
        ids = images.image_ids[start : start + CHUNK]
        cosines = images.features[start : start + CHUNK] @ classes.embeddings.T
        parts.append(
            make_predictions(
                ids,
                [labels[image_id] for image_id in ids],
                classes.class_ids,
                rank(cosines, ids, TOP),
                class_probabilities(cosines, logit_scale),
            )
        )
    return Predictions(
        image_ids=[x for part in parts for x in part.image_ids],
        labels=[x for part in parts for x in part.labels],
        classes=[x for part in parts for x in part.classes],
        scores=[x for part in parts for x in part.scores],
    )
