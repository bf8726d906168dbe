"""Class probabilities and accuracies under each source of class texts (FungalZSL, Figure 4)."""

import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pydantic import BaseModel

from nicheclip.evaluation.predictions import TOP, Predictions, read_class_names
from nicheclip.plan.table_request import TableRequest
from nicheclip.reporting.figure_kinds import Drawing
from nicheclip.reporting.judged import predictions_of
from nicheclip.reporting.style import COLOURS, grid, shortened, style
from nicheclip.reporting.table import Table
from nicheclip.runtime.errors import InputError


class SourceNumbers(BaseModel):
    """What is shown of one source of class texts."""

    source: str
    accuracy: float
    class_ids: list[str]
    mean_probabilities: list[list[float | None]]
    """Of each class (column) over the images of each true class (row)."""


class ProbabilityNumbers(BaseModel):
    """The numbers of the figure."""

    sources: list[SourceNumbers]


def draw(request: TableRequest, table: Table | None) -> Drawing:
    """A panel and a bar for each row: the first seed's zero-shot predictions."""
    names = read_class_names(request.acquired("classes.parquet"))
    sources = {row.label: predictions_of(row.entry)[0] for row in request.rows}
    numbers = [
        SourceNumbers(
            source=source,
            accuracy=float(predictions.correct().mean()),
            class_ids=sorted(names),
            mean_probabilities=[
                [None if np.isnan(share) else float(share) for share in row]
                for row in mean_probabilities(predictions, sorted(names))
            ],
        )
        for source, predictions in sources.items()
    ]
    figure = caption_sources_figure(sources, names, request.title)
    return Drawing(figure, ProbabilityNumbers(sources=numbers))


def mean_probabilities(predictions: Predictions, class_ids: list[str]) -> npt.NDArray[np.float64]:
    """Mean probability of each class (column) over the images of each true class (row) [C, C].

    A row of a class without images is NaN.

    Raises:
        InputError: there are more classes than a prediction keeps.
    """
    if len(class_ids) > TOP:
        raise InputError(
            f"figure 4: predictions keep the probabilities of {TOP} classes, there are "
            f"{len(class_ids)}. The figure is made for FungalZSL's three."
        )
    place = {class_id: row for row, class_id in enumerate(class_ids)}
    sums = np.zeros((len(class_ids), len(class_ids)))
    counts = np.zeros((len(class_ids), 1))
    for label, classes, scores in zip(
        predictions.labels, predictions.classes, predictions.scores, strict=True
    ):
        counts[place[label]] += 1
        for class_id, score in zip(classes, scores, strict=True):
            sums[place[label], place[class_id]] += score
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)


def caption_sources_figure(
    sources: Mapping[str, Predictions], names: Mapping[str, str], title: str
) -> Figure:
    """Figure 4: class probabilities under each source of class texts, and the accuracies.

    Args:
        sources: zero-shot predictions of one model on the same images, by the name of the source.
        names: of the classes, by class id.
        title: of the figure.
    """
    class_ids = sorted(names)
    labels = [shortened(names[class_id], 16) for class_id in class_ids]
    count = len(sources)
    with style():
        heights = (2.9, 0.9 + 0.36 * count)
        figure = Figure(figsize=(max(5.5, 1.6 + 2.15 * count), 0.5 + sum(heights)))
        parts: Any = figure.subfigures(2, 1, height_ratios=heights)
        upper, lower = parts
        panels = np.atleast_1d(upper.subplots(1, count, sharey=True))
        for axes, (source, predictions) in zip(panels, sources.items(), strict=True):
            means = mean_probabilities(predictions, class_ids)
            image = axes.imshow(means, cmap="Blues", vmin=0, vmax=1)
            _write_shares(axes, means)
            axes.set_xticks(
                range(len(labels)), labels, rotation=45, ha="right", rotation_mode="anchor"
            )
            axes.set_yticks(range(len(labels)), labels)
            axes.set_title(shortened(source, 20), size=9)
            axes.tick_params(length=0)
        panels[0].set_ylabel("true class")
        upper.supxlabel("class", size=9)
        upper.colorbar(image, ax=list(panels), shrink=0.85, label="mean probability")
        _draw_accuracies(lower.subplots(), sources)
        figure.suptitle(textwrap.fill(title, 36 + 14 * count))
    return figure


def _write_shares(axes: Axes, shares: npt.NDArray[np.float64]) -> None:
    for (row, column), share in np.ndenumerate(shares):
        if not np.isnan(share):
            colour = "white" if share > 0.5 else "#1F2937"
            axes.text(column, row, f"{share:.2f}", ha="center", va="center", color=colour, size=8)


def _draw_accuracies(axes: Axes, sources: Mapping[str, Predictions]) -> None:
    accuracies = [predictions.correct().mean() for predictions in sources.values()]
    places = range(len(sources))
    axes.barh(places, accuracies, color=COLOURS[0], height=0.6)
    for place, accuracy in enumerate(accuracies):
        axes.text(accuracy + 0.01, place, f"{accuracy:.3f}", va="center", size=8)
    axes.set_yticks(places, [shortened(source) for source in sources])
    axes.invert_yaxis()
    axes.set_xlim(0, 1.08)
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.set_xlabel("zero-shot accuracy")
    grid(axes, axis="x")
