"""Are probabilities as often right as they say, and what is gained by leaving out unsure answers?

Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks (ICML 2017), for the
calibration error and the temperature; Geifman and El-Yaniv, Selective Classification for Deep
Neural Networks (NeurIPS 2017), for risk and coverage.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

#: bins of equal width between 0 and 1
BINS = 15

#: the temperature is looked for between these
COLDEST, HOTTEST = 1e-3, 1e3

#: logits that are held at once
NUMBERS_AT_ONCE = 8_000_000


@dataclass(frozen=True)
class Bin:
    """The images whose confidence lies in one bin."""

    place: int
    """From 0, the least confident."""
    n: int
    confidence: float
    """Their mean confidence."""
    accuracy: float


def reliability_bins(confidence: Floats, correct: Floats, bins: int = BINS) -> list[Bin]:
    """The bins that hold images, the least confident first.

    Bin b holds the images with b / ``bins`` < confidence <= (b + 1) / ``bins``.

    Args:
        confidence: probability of the answer of n images [n].
        correct: 1 where it is right, else 0 [n].
        bins: of equal width.
    """
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    return [
        Bin(
            place=int(one),
            n=int((place == one).sum()),
            confidence=float(confidence[place == one].mean()),
            accuracy=float(correct[place == one].mean()),
        )
        for one in np.unique(place)
    ]


def calibration_error(bins: list[Bin]) -> float:
    """Expected calibration error: sum over bins of n_b / n * |accuracy_b - confidence_b|."""
    total = sum(one.n for one in bins)
    return sum(one.n * abs(one.accuracy - one.confidence) for one in bins) / total


def risk_coverage(confidence: Floats, correct: Floats) -> tuple[Floats, Floats]:
    """The share of images that are answered, and the error among these: two arrays [n].

    The k-th entry answers the k images with the highest confidence. Images of equal confidence are
    taken in no order: each counts with their mean.
    """
    _, codes = np.unique(-confidence, return_inverse=True)
    wrong = 1 - correct
    expected = (np.bincount(codes, weights=wrong) / np.bincount(codes))[np.sort(codes)]
    answered = np.arange(1, len(wrong) + 1)
    return answered / len(wrong), np.cumsum(expected) / answered


def accuracy_at(confidence: Floats, correct: Floats, coverage: float) -> tuple[float, int]:
    """Accuracy among the share ``coverage`` of the images with the highest confidence.

    Returns:
        The accuracy, and of how many images it is: ``coverage`` of all, rounded up.
    """
    # a share such as 0.8 of 10 must not become 9 by its last binary digit
    kept = max(1, int(np.ceil(round(coverage * len(correct), 9))))
    _, risk = risk_coverage(confidence, correct)
    return 1 - float(risk[kept - 1]), kept


def negative_log_likelihood(cosines: Floats, truth: npt.NDArray[np.int64], scale: float) -> float:
    """Mean of -log softmax(``scale`` * cosine) at the true class.

    Args:
        cosines: of n images and C classes [n, C].
        truth: column of the true class [n].
        scale: of the logits.
    """
    return sum(float(part.sum()) for part in _losses(cosines, truth, scale)) / len(truth)


def fit_temperature(cosines: Floats, truth: npt.NDArray[np.int64], scale: float) -> float:
    """The temperature T that minimises the negative log-likelihood of softmax(scale / T * cosine).

    The likelihood has one minimum in T; it is looked for between ``COLDEST`` and ``HOTTEST``. Where
    every image is right by a margin T goes towards 0, and where the answers are worse than chance
    towards infinity. Where no T is better than 1, for example with one class, it is 1.

    Args:
        cosines: of n validation images and C classes [n, C].
        truth: column of the true class [n].
        scale: of the model's logits.
    """
    from scipy import optimize  # takes half a second to import, and few jobs come here

    def loss(log: float) -> float:
        return negative_log_likelihood(cosines, truth, scale / float(np.exp(log)))

    found = optimize.minimize_scalar(
        loss,
        bounds=(np.log(COLDEST), np.log(HOTTEST)),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return float(np.exp(found.x)) if found.fun < loss(0.0) else 1.0


def _losses(cosines: Floats, truth: npt.NDArray[np.int64], scale: float) -> Iterator[Floats]:
    """-log softmax at the true class, of blocks of images."""
    rows = max(1, NUMBERS_AT_ONCE // cosines.shape[1])
    for start in range(0, len(truth), rows):
        logits = scale * cosines[start : start + rows]
        logits -= logits.max(axis=1, keepdims=True)
        own = np.take_along_axis(logits, truth[start : start + rows, None], axis=1)[:, 0]
        yield np.log(np.exp(logits).sum(axis=1)) - own
