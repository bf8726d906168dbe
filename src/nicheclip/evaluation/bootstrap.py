"""Intervals over images."""

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict
from scipy import stats

from nicheclip.seeding import generator

#: numbers drawn at once, which bounds memory
NUMBERS_AT_ONCE = 5_000_000


class Interval(BaseModel):
    """A confidence interval."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: float
    high: float
    confidence: float
    method: str
    """``bootstrap`` (percentiles) or ``wilson`` (a share of 0 or 1, which the bootstrap would give
    no width)."""


def mean_interval(
    values: npt.NDArray[np.float64], *, resamples: int, confidence: float, seed: int
) -> Interval:
    """Percentile bootstrap interval of the mean of ``values`` [n], resampled over images."""
    if np.all(values == values[0]):  # every resample has the same mean
        low = high = float(values[0])
    else:
        result = stats.bootstrap(
            (values,),
            np.mean,
            n_resamples=resamples,
            confidence_level=confidence,
            method="percentile",
            vectorized=True,
            batch=max(1, NUMBERS_AT_ONCE // len(values)),
            rng=generator("bootstrap", seed),
        )
        low, high = (float(end) for end in result.confidence_interval)
    return Interval(low=low, high=high, confidence=confidence, method="bootstrap")


def share_interval(
    credit: npt.NDArray[np.float64], *, resamples: int, confidence: float, seed: int
) -> Interval:
    """``mean_interval`` of credits between 0 and 1, and Wilson's when all are 0 or all are 1."""
    if np.all(credit == 0) or np.all(credit == 1):
        test = stats.binomtest(int(credit.sum()), len(credit))
        low, high = test.proportion_ci(confidence_level=confidence, method="wilson")
        return Interval(low=float(low), high=float(high), confidence=confidence, method="wilson")
    return mean_interval(credit, resamples=resamples, confidence=confidence, seed=seed)
