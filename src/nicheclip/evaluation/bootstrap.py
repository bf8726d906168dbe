"""Intervals over images."""

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict
from scipy import stats

from nicheclip.errors import InputError
from nicheclip.evaluation.predictions import Predictions
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


class PairedDifference(BaseModel):
    """Accuracy of one model minus that of another on the same images."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    difference: float
    interval: Interval
    n: int


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


def paired_difference(
    first: Predictions, second: Predictions, *, resamples: int, confidence: float, seed: int
) -> PairedDifference:
    """Top-1 accuracy of ``first`` minus ``second``, resampled over the images that both judged.

    Raises:
        InputError: the two did not judge the same images with the same labels.
    """
    truth = dict(zip(first.image_ids, first.labels, strict=True))
    if truth != dict(zip(second.image_ids, second.labels, strict=True)):
        raise InputError(
            "paired difference: the two predictions are not of the same images and labels. Compare "
            "models that were judged by the same evaluation."
        )
    place = {image_id: row for row, image_id in enumerate(second.image_ids)}
    order = [place[image_id] for image_id in first.image_ids]
    differences = first.correct() - second.correct()[order]
    interval = mean_interval(differences, resamples=resamples, confidence=confidence, seed=seed)
    return PairedDifference(
        difference=float(differences.mean()), interval=interval, n=len(differences)
    )
