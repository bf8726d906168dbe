"""The intrinsic tree figure (BioCLIP)."""

from collections import Counter

from pydantic import BaseModel

from nicheclip.evaluation.predictions import read_classes, read_labels
from nicheclip.evaluation.tree_distance import class_lineages
from nicheclip.models.features import read_features
from nicheclip.plan.table_request import TableRequest
from nicheclip.reporting.figure_kinds import Drawing
from nicheclip.reporting.table import Table
from nicheclip.reporting.tree_figure import tree_figure, tree_panels


class PanelNumbers(BaseModel):
    """What a panel shows."""

    rank: str
    within: str
    """The taxon that has all the images; "" at the top."""
    images: int
    drawn: int
    """Fewer than ``images`` where they were sampled."""
    taxa: dict[str, int]
    """Drawn images by taxon; "" has no name at the rank."""


class TreeNumbers(BaseModel):
    """The numbers of the figure."""

    panels: list[PanelNumbers]


def draw(request: TableRequest, table: Table | None) -> Drawing:
    """A row of panels for each row: the features of the first seed."""
    panels = tree_panels(
        read_labels(request.acquired("catalog.parquet"), request.split),
        class_lineages(read_classes(request.acquired("classes.parquet"))),
        seed=request.seed,
    )
    features = map(read_features, request.features)
    models = {row.label: one for row, one in zip(request.rows, features, strict=True)}
    numbers = [
        PanelNumbers(
            rank=panel.rank,
            within=panel.within,
            images=panel.total,
            drawn=len(panel.image_ids),
            taxa=dict(sorted(Counter(panel.taxa).items())),
        )
        for panel in panels
    ]
    return Drawing(tree_figure(models, panels, request.title), TreeNumbers(panels=numbers))
