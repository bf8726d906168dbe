"""The files of a judged cell."""

from pathlib import Path

from nicheclip.evaluation.measures import CellMetrics, Cost, write_metrics
from nicheclip.evaluation.predictions import (
    Predictions,
    write_group_predictions,
    write_predictions,
    write_readable,
)
from nicheclip.evaluation.split_tables import SplitTables
from nicheclip.evaluation.task import Judged
from nicheclip.subjects import Subject


def write_cell(
    job: Path,
    tables: SplitTables,
    subject: Subject,
    evaluation: str,
    protocol: str,
    judged: Judged,
    cost: Cost,
) -> CellMetrics:
    """Write ``metrics.json``, and ``predictions.parquet`` and ``.csv`` where there are any.

    Args:
        job: the folder of the job; the cell's is ``<variant>/<evaluation>/<protocol>`` in it.
        tables: of the judged split.
        subject: what was judged.
        evaluation: its name.
        protocol: its name.
        judged: the result.
        cost: of judging.
    """
    folder = job / subject.variant / evaluation / protocol
    metrics = CellMetrics(
        subject=subject,
        evaluation=evaluation,
        dataset=tables.dataset,
        split=tables.split,
        protocol=protocol,
        n=judged.n,
        classes=judged.classes,
        measures=judged.measures,
        counts=judged.counts,
        excluded=judged.excluded,
        cost=cost,
    )
    predictions = judged.predictions
    if isinstance(predictions, Predictions):
        write_predictions(folder / "predictions.parquet", predictions)
    elif predictions is not None:
        write_group_predictions(folder / "predictions.parquet", predictions)
    if predictions is not None:
        write_readable(folder / "predictions.csv", predictions, tables.names)
    write_metrics(folder / "metrics.json", metrics)
    return metrics
