"""Label-free signals of an adapted model: what a user without labels could choose a method by.

For n judged images, C classes, probabilities p_i and decided classes y_i = argmax_c p_ic, H the
entropy in units of log C:

    confidence           mean_i max_c p_ic
    balance              H(shares of the decided classes): 1 where all are decided equally often
    information          H(mean_i p_i) - mean_i H(p_i): sure, and not of one class alone
    zero_shot_agreement  share of images for which y_i is the start model's zero-shot class
    seed_agreement       the same with the answers of the other seeds, their mean
    silhouette           of y among the start model's features: the same space for all methods
    adapted_silhouette   of y among the adapted model's own features, where it has some

The silhouette of an image is (b - a) / max(a, b), a its mean cosine distance to the other images of
its class, b the least mean distance to those of another class; 0 where it is alone in its class.
Nothing here has ever seen a label.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from nicheclip.models.class_scores import ClassScores
from nicheclip.models.features import Array
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import read_json, write_json
from nicheclip.runtime.seeding import generator

#: in the folder of an adapted subject
SIGNALS_FILE = "signals.json"
#: images that a silhouette is measured on, drawn at random where there are more
MOST_IMAGES = 2000


class Signals(BaseModel):
    """See the module; None where there is nothing to measure."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    confidence: float
    balance: float
    information: float
    zero_shot_agreement: float
    seed_agreement: float | None = None
    silhouette: float
    adapted_silhouette: float | None = None

    def measured(self) -> dict[str, float]:
        """Those that there are, by name."""
        return self.model_dump(exclude_none=True)


def write_signals(path: Path, found: Signals) -> None:
    """Write JSON."""
    write_json(path, found.model_dump(mode="json"))


def read_signals(path: Path) -> Signals:
    """The file that ``write_signals`` wrote.

    Raises:
        InputError: no such file, or not signals.
    """
    try:
        return Signals.model_validate(read_json(path))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: no signals ({error}). Add --forcerun adapt_model to the same command."
        ) from error


def signals(
    scores: ClassScores, zero_shot: ClassScores, start: Array, adapted: Array | None
) -> Signals:
    """The signals of one seed.

    Args:
        scores: of the adapted model.
        zero_shot: of the start model on the same images.
        start: [n, d], the start model's features of these images, of length 1.
        adapted: [n, e], the adapted model's; None where it has none of its own.
    """
    probabilities = scores.probabilities.astype(np.float64)
    decided, classes = probabilities.argmax(axis=1), probabilities.shape[1]
    shares = np.bincount(decided, minlength=classes) / len(decided)
    return Signals(
        confidence=float(probabilities.max(axis=1).mean()),
        balance=float(entropy(shares)),
        information=float(entropy(probabilities.mean(axis=0)) - entropy(probabilities).mean()),
        zero_shot_agreement=agreement(scores, zero_shot),
        silhouette=silhouette(start, decided),
        adapted_silhouette=None if adapted is None else silhouette(adapted, decided),
    )


def mean_signals(parts: Sequence[Signals]) -> Signals:
    """The mean of several, each over those that have it."""
    values = {name: [getattr(one, name) for one in parts] for name in Signals.model_fields}
    known = {name: [one for one in found if one is not None] for name, found in values.items()}
    return Signals(**{name: float(np.mean(found)) for name, found in known.items() if found})


def entropy(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Along the last axis, as a share of the most that C classes can have."""
    logs = np.log(np.where(probabilities > 0, probabilities, 1.0))
    most = np.log(max(2, probabilities.shape[-1]))
    found: NDArray[np.float64] = -(probabilities * logs).sum(axis=-1) / most
    return found


def agreement(first: ClassScores, second: ClassScores) -> float:
    """The share of images to which both give the same class."""
    decided = [one.probabilities.argmax(axis=1) for one in (first, second)]
    return float((decided[0] == decided[1]).mean())


def seed_agreements(seeds: Sequence[ClassScores]) -> list[float | None]:
    """Of each seed: its mean agreement with the others; None where there is no other."""
    found: list[float | None] = []
    for place, one in enumerate(seeds):
        others = [agreement(one, other) for n, other in enumerate(seeds) if n != place]
        found.append(float(np.mean(others)) if others else None)
    return found


def silhouette(features: Array, decided: NDArray[np.int64]) -> float:
    """The mean silhouette of ``decided`` [n] among ``features`` [n, d] of length 1.

    0 where fewer than two classes were decided, or each image has a class of its own.
    """
    if len(features) > MOST_IMAGES:
        draw = generator("silhouette", len(features))
        rows = np.sort(draw.choice(len(features), MOST_IMAGES, replace=False))
        features, decided = features[rows], decided[rows]
    classes, places, counts = np.unique(decided, return_inverse=True, return_counts=True)
    if not 2 <= len(classes) < len(decided):
        return 0.0
    distances = 1 - features.astype(np.float64) @ features.astype(np.float64).T
    np.fill_diagonal(distances, 0)
    sums = distances.clip(min=0) @ np.eye(len(classes))[places]
    rows = np.arange(len(places))
    own = sums[rows, places] / np.maximum(counts[places] - 1, 1)
    means = sums / counts
    means[rows, places] = np.inf
    other = means.min(axis=1)
    longer = np.maximum(own, other)
    single = (counts[places] == 1) | (longer == 0)
    found = np.where(single, 0.0, (other - own) / np.where(longer == 0, 1.0, longer))
    return float(found.mean())
