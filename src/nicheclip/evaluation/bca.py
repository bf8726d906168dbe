"""Bias-corrected and accelerated (BCa) bootstrap intervals.

Efron, Better bootstrap confidence intervals (J. Am. Stat. Assoc. 82, 1987), as
scipy.stats.bootstrap computes them; the jackknife of a mean and of a ratio of sums needs no loop.
"""

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]


def bca_shares(
    resampled: Numbers, value: float, acceleration: float, confidence: float
) -> tuple[float, float]:
    """The shares of the resampled values that lie below the two ends of the interval.

    Args:
        resampled: the statistic of each resample [resamples].
        value: of the sample itself.
        acceleration: how its standard error changes with it.
        confidence: of the interval.
    """
    from scipy import special  # not needed where nobody asks for such an interval

    below = (np.mean(resampled < value) + np.mean(resampled <= value)) / 2
    # a sample beyond all of its resamples would have an interval without an end
    most = 1 - 1 / (2 * len(resampled))
    bias = special.ndtri(np.clip(below, 1 - most, most))
    shares = []
    for tail in ((1 - confidence) / 2, (1 + confidence) / 2):
        reach = bias + special.ndtri(tail)
        shares.append(float(special.ndtr(bias + reach / (1 - acceleration * reach))))
    return shares[0], shares[1]


def acceleration_of_mean(values: Numbers) -> float:
    """Of the mean of ``values`` [n], which are not all the same."""
    return _acceleration(values - values.mean())


def acceleration_of_ratio(sums: Numbers, counts: Numbers) -> float:
    """Of ``sums.sum() / counts.sum()``, both [n], where whole items are left out one by one."""
    without = (sums.sum() - sums) / (counts.sum() - counts)
    return _acceleration(without.mean() - without)


def _acceleration(influence: Numbers) -> float:
    squares = float((influence**2).sum())
    return float((influence**3).sum()) / (6 * squares**1.5) if squares > 0 else 0.0
