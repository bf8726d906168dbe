"""All cells in one frame: one row per measure."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from nicheclip.evaluation.measures import CellMetrics, Measure, read_metrics

#: the columns: the cell, the measure, and what the measure is about (null where nothing)
COLUMNS: dict[str, pl.DataType] = {
    "source": pl.String(),  # path of metrics.json
    "kind": pl.String(),
    "name": pl.String(),
    "variant": pl.String(),
    "seed": pl.Int64(),
    "evaluation": pl.String(),
    "dataset": pl.String(),
    "split": pl.String(),
    "protocol": pl.String(),
    "cell_n": pl.Int64(),  # images judged
    "cell_classes": pl.Int64(),
    "measure": pl.String(),
    "value": pl.Float64(),
    "n": pl.Int64(),
    "classes": pl.Int64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "confidence": pl.Float64(),
    "method": pl.String(),
    "std": pl.Float64(),
    "chance": pl.Float64(),
    "text_type": pl.String(),
    "group": pl.String(),
    "rank": pl.String(),
    "shots": pl.Int64(),
    "by": pl.String(),
    "class_id": pl.String(),
    "bin": pl.String(),
}


def read_cells(paths: Sequence[Path]) -> pl.DataFrame:
    """One row per measure of the cells at ``paths`` (``metrics.json`` each), in their order.

    Raises:
        InputError: a file is absent, or written by another version.
    """
    rows = []
    for path in paths:
        cell = read_metrics(path)
        rows += [_row(path, cell, measure) for measure in cell.measures]
    return pl.DataFrame(rows, schema=COLUMNS, orient="row")


def _row(path: Path, cell: CellMetrics, measure: Measure) -> dict[str, str | int | float | None]:
    facets: dict[str, str | int] = dict(measure.facets)
    if "shots" in facets:
        facets["shots"] = int(facets["shots"])
    return {
        "source": str(path),
        "kind": cell.subject.kind,
        "name": cell.subject.name,
        "variant": cell.subject.variant,
        "seed": cell.subject.seed,
        "evaluation": cell.evaluation,
        "dataset": cell.dataset,
        "split": cell.split,
        "protocol": cell.protocol,
        "cell_n": cell.n,
        "cell_classes": cell.classes,
        "measure": measure.name,
        **measure.model_dump(exclude={"name", "facets"}),
        **facets,
    }
