"""One measure of one subject over its seeds."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from nicheclip.reporting.table import Measured
from nicheclip.runtime.errors import InputError

#: measures that may be above 1; the intervals of all others end there
UNBOUNDED = (
    "temperature",
    "nll",
    "nll_scaled",
    "ancestor_distance",
    "ancestor_distance_of_mistakes",
)


@dataclass(frozen=True)
class SeedMeasure:
    """A row of the frame of cells: what one seed measured."""

    source: str
    """The metrics file."""
    value: float
    n: int
    """Images, or folds."""
    classes: int | None
    low: float | None
    high: float | None
    confidence: float | None
    std: float | None
    chance: float | None
    shots: int | None
    """Of a few-shot accuracy."""
    cell_n: int
    """Images of the cell."""
    cell_classes: int
    measure: str = ""
    """Its name."""

    @property
    def most(self) -> float:
        """No value is above it."""
        return math.inf if self.measure in UNBOUNDED else 1.0


def over_seeds(seeds: Sequence[SeedMeasure]) -> Measured:
    """Mean and standard deviation over seeds, with Student's interval of the mean.

    A single seed keeps its own interval over images, or its own spread over folds.

    Args:
        seeds: of one measure, at least one.

    Raises:
        InputError: the seeds were not judged on as many images.
    """
    first = seeds[0]
    if len({seed.cell_n for seed in seeds}) > 1:
        raise InputError(
            f"{first.source} and {seeds[-1].source}: not judged on the same number of images "
            f"({sorted({seed.cell_n for seed in seeds})}). Run the evaluate stage again."
        )
    sources = tuple(seed.source for seed in seeds)
    if len(seeds) == 1:
        return Measured(first.value, sources, spread=first.std, low=first.low, high=first.high)
    values = [seed.value for seed in seeds]
    return over_values(values, sources, first.confidence or 0.95, most=first.most)


def over_values(
    values: Sequence[float], sources: tuple[str, ...], confidence: float, *, most: float = 1.0
) -> Measured:
    """``over_seeds`` of two values or more, none of which can be above ``most``."""
    from scipy import special  # a fifth of a table's imports, and needed only for several seeds

    mean, spread = statistics.fmean(values), statistics.stdev(values)
    # Student's quantile; scipy.stats, which has it too, takes a second to import
    quantile = float(special.stdtrit(len(values) - 1, (1 + confidence) / 2))
    reach = quantile * spread / len(values) ** 0.5
    return Measured(
        mean, sources, spread=spread, low=max(0.0, mean - reach), high=min(most, mean + reach)
    )


def mean_of_entries(entries: Sequence[Sequence[SeedMeasure]]) -> Measured:
    """The mean of several entries of a row, such as one for each data set.

    Where all have the same number of seeds, it is the mean of each seed, over the seeds; else, and
    with one seed, it has no spread.

    Args:
        entries: the seeds of each entry; none is empty.
    """
    sources = tuple(dict.fromkeys(seed.source for entry in entries for seed in entry))
    counts = {len(entry) for entry in entries}
    if counts != {1} and len(counts) == 1:
        by_seed = [statistics.fmean(s.value for s in seeds) for seeds in zip(*entries, strict=True)]
        first = entries[0][0]
        return over_values(by_seed, sources, first.confidence or 0.95, most=first.most)
    means = [statistics.fmean(seed.value for seed in entry) for entry in entries]
    return Measured(statistics.fmean(means), sources)
