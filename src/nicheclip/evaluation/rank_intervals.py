"""Ranks of models on one task, as far as the intervals of their scores tell them apart."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class RankIntervals:
    """Of m models on one task; 1 is the best. NaN: not judged there."""

    rank: Numbers
    """[m]; models with the same score share the mean of their places."""
    best: Numbers
    """[m]: one more than the models that are surely better."""
    worst: Numbers
    """[m]: as many as there are, less the models that are surely worse."""

    @property
    def may_be_first(self) -> npt.NDArray[np.bool_]:
        """The models that tie for the first place: none is surely better."""
        tied: npt.NDArray[np.bool_] = self.best == 1
        return tied


def rank_intervals(values: Numbers, low: Numbers, high: Numbers) -> RankIntervals:
    """Ranks of ``values``, higher is better, and between which they lie.

    A model is surely better than another where its interval lies above the other's. Intervals that
    overlap may still hide a difference that a paired test shows, so these are cautious.

    Args:
        values: of m models [m]; NaN where a model was not judged.
        low: lower ends [m]; the value itself where a score has no interval.
        high: upper ends [m].

    Raises:
        ValueError: an interval has an end without a value, or does not hold its value.
    """
    judged = ~np.isnan(values)
    ends = np.stack([low[judged], high[judged]])
    if np.isnan(ends).any() or (ends[0] > values[judged]).any() or (ends[1] < values[judged]).any():
        raise ValueError("an interval does not hold its value")
    better = (low[None, :] > high[:, None]).sum(axis=1)
    worse = (high[None, :] < low[:, None]).sum(axis=1)
    above = (values[None, :] > values[:, None]).sum(axis=1)
    equal = (values[None, :] == values[:, None]).sum(axis=1)
    nowhere = np.where(judged, 0.0, np.nan)
    return RankIntervals(
        rank=above + (equal + 1) / 2 + nowhere,
        best=better + 1 + nowhere,
        worst=judged.sum() - worse + nowhere,
    )
