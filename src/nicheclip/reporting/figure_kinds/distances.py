"""Distances in the features and in the tree (BioCLIP)."""

from nicheclip.evaluation.distance_correlation import judge_distances
from nicheclip.evaluation.predictions import read_classes, read_labels
from nicheclip.evaluation.tree_distance import measure_distances
from nicheclip.models.features import read_features
from nicheclip.plan.table_request import TableRequest
from nicheclip.reporting.distance_figure import distance_figure
from nicheclip.reporting.figure_kinds import Drawing
from nicheclip.reporting.table import Table


def draw(request: TableRequest, table: Table | None) -> Drawing:
    """A matrix for each row, the one that others are compared with first."""
    features = map(read_features, request.features)
    distances = measure_distances(
        {row.label: one for row, one in zip(request.rows, features, strict=True)},
        read_labels(request.acquired("catalog.parquet"), request.split),
        read_classes(request.acquired("classes.parquet")),
        seed=request.seed,
    )
    record = judge_distances(
        distances,
        resamples=request.bootstrap,
        confidence=request.confidence,
        seed=request.seed,
    )
    return Drawing(distance_figure(distances, record, request.title), record)
