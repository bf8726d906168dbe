"""Do methods differ in rank over several tasks? Friedman's test, and Nemenyi's after it.

Demšar, Statistical Comparisons of Classifiers over Multiple Data Sets (JMLR 7, 2006).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

#: digits that two accuracies must share to be a tie: far below one image's share
TIE_DIGITS = 9

#: with fewer, there is nothing to test
FEWEST_METHODS, FEWEST_TASKS = 3, 2


@dataclass(frozen=True)
class RankTest:
    """Ranks of m methods over tasks; 1 is the best."""

    ranks: tuple[float, ...]
    """Mean rank of each method; methods that tie share the mean of their places."""
    tasks: int
    """On which all methods were judged."""
    left_out: int
    """Tasks on which some method was not."""
    statistic: float
    """Friedman's chi-squared, of m - 1 degrees of freedom."""
    p: float
    """That all methods are equally good; by the chi-squared distribution, which is rough where
    there are few tasks."""
    difference: float
    """Nemenyi's critical difference: mean ranks that are further apart differ significantly."""
    level: float
    """Of the critical difference: the chance that any pair differs by so much without reason."""

    def alike(self) -> list[list[int]]:
        """The largest groups of methods that the critical difference does not tell apart.

        Places of methods, the best first, in each group of two or more.
        """
        order = sorted(range(len(self.ranks)), key=lambda one: (self.ranks[one], one))
        groups: list[list[int]] = []
        last = -1
        for start, best in enumerate(order):
            near = [
                p
                for p, o in enumerate(order)
                if self.ranks[o] - self.ranks[best] <= self.difference
            ]
            end = max(near)
            if end > start and end > last:
                groups.append(order[start : end + 1])
                last = end
        return groups


def rank_test(values: npt.NDArray[np.float64], *, level: float = 0.05) -> RankTest | None:
    """Ranks of the columns of ``values``; None where there are too few methods or tasks.

    Friedman's test compares methods within a task, so a task with a missing value is left out and
    counted (complete cases).

    Args:
        values: of each task and method, higher is better [tasks, methods]; NaN is missing.
        level: of the critical difference.

    Raises:
        ValueError: a value is infinite.
    """
    if np.isinf(values).any():
        raise ValueError("a value is infinite; expected numbers, and NaN where one is missing")
    complete = ~np.isnan(values).any(axis=1)
    left_out, values = int((~complete).sum()), values[complete]
    tasks, methods = values.shape
    if methods < FEWEST_METHODS or tasks < FEWEST_TASKS:
        return None
    from scipy import stats  # takes a second to import, and few tables come here

    rounded = values.round(TIE_DIGITS)
    ranks = stats.rankdata(-rounded, axis=1).mean(axis=0)
    if np.ptp(ranks) == 0 and np.all(rounded == rounded[:, :1]):
        statistic, p = 0.0, 1.0  # all tie everywhere: the statistic would be 0 / 0
    else:
        found = stats.friedmanchisquare(*rounded.T)
        statistic, p = float(found.statistic), float(found.pvalue)
    quantile = float(stats.studentized_range.isf(level, methods, np.inf)) / np.sqrt(2)
    return RankTest(
        ranks=tuple(float(rank) for rank in ranks),
        tasks=tasks,
        left_out=left_out,
        statistic=statistic,
        p=p,
        difference=float(quantile * np.sqrt(methods * (methods + 1) / (6 * tasks))),
        level=level,
    )
