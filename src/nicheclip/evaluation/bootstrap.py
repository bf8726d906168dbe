"""Intervals over images and over classes."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from nicheclip.config.evaluation import IntervalKind
from nicheclip.evaluation.bca import acceleration_of_mean, acceleration_of_ratio, bca_shares
from nicheclip.runtime.seeding import generator

#: what a measure calls each kind
_METHODS: dict[IntervalKind, str] = {"percentile": "bootstrap", "bca": "bca"}

#: numbers drawn at once, which bounds memory
NUMBERS_AT_ONCE = 5_000_000


class Interval(BaseModel):
    """A confidence interval."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: float
    high: float
    confidence: float
    method: str
    """``bootstrap`` (percentiles), ``bca`` or ``wilson`` (a share of 0 or 1, which the bootstrap
    would give no width), over images; any of them ``over classes``."""


def mean_interval(
    values: npt.NDArray[np.float64],
    *,
    resamples: int,
    confidence: float,
    seed: int,
    kind: IntervalKind = "percentile",
) -> Interval:
    """Bootstrap interval of the mean of ``values`` [n], resampled over images."""
    if np.all(values == values[0]):  # every resample has the same mean
        low = high = float(values[0])
    else:
        means = np.sort(_resampled_means(values, resamples, seed))
        shares = _tails(confidence)
        if kind == "bca":
            # the mean as resamples have it, so that equal ones are equal to the last bit
            value, acceleration = float(values.mean()), acceleration_of_mean(values)
            shares = bca_shares(means, value, acceleration, confidence)
        low, high = (_quantile(means, share) for share in shares)
    return Interval(low=low, high=high, confidence=confidence, method=_METHODS[kind])


def _tails(confidence: float) -> tuple[float, float]:
    """The shares of resamples below the ends of a percentile interval."""
    tail = (1 - confidence) / 2
    return tail, 1 - tail


def _resampled_means(
    values: npt.NDArray[np.float64], resamples: int, seed: int
) -> npt.NDArray[np.float64]:
    """[resamples]; the draws are those of ``scipy.stats.bootstrap``, which is slow to import."""
    draw = generator("bootstrap", seed)
    block = max(1, NUMBERS_AT_ONCE // len(values))
    means = []
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        means.append(values[draw.integers(0, len(values), (rows, len(values)))].mean(axis=1))
    return np.concatenate(means)


def _quantile(ordered: npt.NDArray[np.float64], share: float) -> float:
    """Linear interpolation in sorted numbers, rounded as in ``scipy.stats.quantile``."""
    place = share * len(ordered) + (1 - share) - 1
    below = int(np.floor(place))
    above = min(below + 1, len(ordered) - 1)
    part = place % 1
    return float((1 - part) * ordered[below] + part * ordered[above])


def share_interval(
    credit: npt.NDArray[np.float64],
    *,
    resamples: int,
    confidence: float,
    seed: int,
    kind: IntervalKind = "percentile",
) -> Interval:
    """``mean_interval`` of credits between 0 and 1, and Wilson's when all are 0 or all are 1."""
    if np.all(credit == 0) or np.all(credit == 1):
        from scipy import stats  # takes a second to import, and few jobs come here

        test = stats.binomtest(int(credit.sum()), len(credit))
        low, high = test.proportion_ci(confidence_level=confidence, method="wilson")
        return Interval(low=float(low), high=float(high), confidence=confidence, method="wilson")
    return mean_interval(credit, resamples=resamples, confidence=confidence, seed=seed, kind=kind)


def class_share_interval(
    credit: npt.NDArray[np.float64],
    labels: Sequence[str],
    *,
    resamples: int,
    confidence: float,
    seed: int,
    kind: IntervalKind = "percentile",
) -> Interval:
    """Interval of the mean of ``credit`` [n], between 0 and 1, resampled over classes.

    A cluster bootstrap: a resample draws as many classes as there are, each with all its images.
    Images of one class are not independent, so resampling images would be too sure.
    Where all classes have the same mean (all are 0, all are 1, there is one class), resamples do
    not differ; then it is Wilson's interval with the number of classes, not of images, for n.

    Args:
        credit: of n images.
        labels: the n classes.
        resamples: number of resamples.
        confidence: of the interval.
        seed: of the resampling.
        kind: of the interval.
    """
    _, codes = np.unique(np.asarray(labels), return_inverse=True)
    counts = np.bincount(codes).astype(np.float64)
    sums = np.bincount(codes, weights=credit).astype(np.float64)
    if np.ptp(sums / counts) < 1e-12:
        low, high = wilson(float(credit.mean()), len(counts), confidence)
        return Interval(low=low, high=high, confidence=confidence, method="wilson over classes")
    means = np.concatenate(
        [(w @ sums) / (w @ counts) for w in class_weights(len(counts), resamples, seed)]
    )
    shares = _tails(confidence)
    if kind == "bca":
        acceleration = acceleration_of_ratio(sums, counts)
        shares = bca_shares(means, float(sums.sum() / counts.sum()), acceleration, confidence)
    low, high = (float(end) for end in np.quantile(means, shares))
    method = f"{_METHODS[kind]} over classes"
    return Interval(low=low, high=high, confidence=confidence, method=method)


def class_weights(classes: int, resamples: int, seed: int) -> Iterator[npt.NDArray[np.float64]]:
    """How often each class is in each resample: blocks [b, classes], ``resamples`` rows in all."""
    draw = generator("bootstrap over classes", seed)
    block = max(1, NUMBERS_AT_ONCE // classes)
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        weights = draw.multinomial(classes, np.full(classes, 1 / classes), size=rows)
        yield weights.astype(np.float64)


def wilson(share: float, n: int, confidence: float) -> tuple[float, float]:
    """Wilson's score interval of a share among ``n``; ``share * n`` need not be whole.

    Wilson, J. Am. Stat. Assoc. 22 (1927), 209-212.
    """
    from scipy import stats  # takes a second to import, and few jobs come here

    z2 = float(stats.norm.ppf((1 + confidence) / 2)) ** 2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    reach = (z2 * (share * (1 - share) / n + z2 / (4 * n * n))) ** 0.5 / (1 + z2 / n)
    return max(0.0, centre - reach), min(1.0, centre + reach)
