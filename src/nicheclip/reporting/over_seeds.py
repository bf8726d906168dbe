"""One measure of one model over its seeds."""

import statistics
from collections.abc import Sequence
from pathlib import Path

from scipy import stats

from nicheclip.evaluation.metrics import CellMetrics, Measure, read_metrics
from nicheclip.reporting.table import Measured
from nicheclip.runtime.errors import InputError


def over_seeds(paths: Sequence[Path], name: str) -> Measured:
    """Mean and standard deviation over seeds, with Student's interval of the mean.

    A single file keeps its own interval over images, or its own spread over folds.

    Args:
        paths: the ``metrics.json`` of each seed.
        name: of the measure, as ``CellMetrics.measure`` has it.

    Raises:
        InputError: a file lacks the measure, or the seeds were not judged on as many images.
    """
    cells = [read_metrics(path) for path in paths]
    if len({cell.n for cell in cells}) > 1:
        raise InputError(
            f"{paths[0]} and {paths[-1]}: not judged on the same number of images "
            f"({sorted({cell.n for cell in cells})}). Run the evaluate stage again."
        )
    return mean_over_seeds(
        [_measure(cell, name, path) for cell, path in zip(cells, paths, strict=True)], paths
    )


def mean_over_seeds(measures: Sequence[Measure], paths: Sequence[Path]) -> Measured:
    """``over_seeds`` of the same measure of each seed, which stood in ``paths``."""
    sources = tuple(path.as_posix() for path in paths)
    first = measures[0]
    if len(measures) == 1:
        return Measured(
            first.value,
            sources,
            spread=first.std,
            low=first.interval.low if first.interval else None,
            high=first.interval.high if first.interval else None,
        )
    values = [measure.value for measure in measures]
    mean, spread = statistics.fmean(values), statistics.stdev(values)
    confidence = first.interval.confidence if first.interval else 0.95
    quantile = float(stats.t.ppf((1 + confidence) / 2, len(values) - 1))
    reach = quantile * spread / len(values) ** 0.5
    return Measured(
        mean, sources, spread=spread, low=max(0.0, mean - reach), high=min(1.0, mean + reach)
    )


def _measure(cell: CellMetrics, name: str, path: Path) -> Measure:
    measure = cell.measure(name)
    if measure is None:
        raise InputError(
            f"{path}: has no {name} (its protocol is {cell.protocol}). Delete the file and run the "
            "evaluate stage again, or change the protocols of the evaluation."
        )
    return measure
