"""Distances of classes in the tree and in the embeddings of models, side by side."""

from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nicheclip.evaluation.distance_correlation import (
    DistanceRecord,
    DistanceStep,
    Estimate,
    ModelDistances,
)
from nicheclip.evaluation.tree_distance import ClassDistances
from nicheclip.reporting.figures import MOST_NAMED_CLASSES
from nicheclip.reporting.style import COLOURS, MUTED, grid, shortened, style
from nicheclip.taxonomy.lineage import Lineage
from nicheclip.terms import RANKS

#: with more classes the rows are named by the finest rank that has no more taxa than this
MOST_NAMED_TAXA = 16

#: share of the rows that a taxon must have to be named, lest the names overlap
SMALLEST_NAMED_TAXON = 1 / 26

#: the colours of a matrix end at this percentile, since single classes can lie far from all others
_BRIGHTEST = 99

_COLOUR_MAP = "viridis"
_GREY = "#D1D5DB"


def distance_figure(distances: ClassDistances, record: DistanceRecord, title: str) -> Figure:
    """Above, matrices of the distance of each two classes: in the tree, then under each model.

    Below, the number of pairs and the mean embedding distance at each tree distance, with the rank
    correlation over pairs. Classes are in the order of the tree, which stands on the left. Each
    model has its own scale of colours, as cosine distances before and after training differ much;
    white lines part the taxa of the highest rank that has several.
    At most 500 classes are drawn (``tree_distance.MOST_CLASSES``); up to 30 are named one by one.

    Args:
        distances: of the classes.
        record: what ``judge_distances`` found on them.
        title: of the figure.
    """
    columns = 1 + len(distances.embedding)
    with style():
        figure = Figure(figsize=(1.9 + 3.3 * columns, 6.7))
        widths = [0.45] + [1.0] * columns
        axes: Any = figure.subplots(2, columns + 1, width_ratios=widths, height_ratios=[1.45, 1])
        _draw_tree(axes[0, 0], distances.lineages)
        _draw_matrix(figure, axes[0, 1], distances.tree, "ranks apart", len(RANKS))
        axes[0, 1].set_title("tree")
        _name_rows(axes[0, 1], distances)
        for place, (name, matrix) in zip(axes[0, 2:], distances.embedding.items(), strict=True):
            brightest = float(np.percentile(matrix, _BRIGHTEST))
            _draw_matrix(figure, place, matrix, "cosine distance", brightest)
            _part_taxa(place, distances.lineages)
            place.set_title(shortened(name, 40))
        axes[1, 0].set_visible(False)
        _draw_pairs(axes[1, 1], record)
        for place, model in zip(axes[1, 2:], record.models, strict=True):
            _draw_means(place, model)
        sampled = record.classes < record.classes_with_ranks
        classes = f"{record.classes} of {record.classes_with_ranks}" if sampled else record.classes
        figure.suptitle(f"{title}\n{classes} classes, {record.images} images")
    return figure


def tree_lines(lineages: list[Lineage]) -> list[list[tuple[float, float]]]:
    """Lines of a tree whose tips are the rows 0 to C - 1, its root at x = 0, a rank per step.

    A rank without a name is passed straight through. Each class is a tip of its own, also where
    several belong to one species.

    Args:
        lineages: in the order of the tree.
    """
    below = [(float(row), [*lineage.names.values()][:-1]) for row, lineage in enumerate(lineages)]
    lines = []
    for depth in range(len(RANKS) - 1, -1, -1):
        above = []
        for names, group in groupby(below, key=lambda node: node[1][:depth]):
            heights = [height for height, _ in group]
            lines += [[(depth, height), (depth + 1, height)] for height in heights]
            if len(heights) > 1:
                lines.append([(depth, heights[0]), (depth, heights[-1])])
            above.append(((heights[0] + heights[-1]) / 2, names))
        below = above
    return [[(float(x), float(y)) for x, y in line] for line in lines]


def _draw_tree(axes: Axes, lineages: list[Lineage]) -> None:
    width = min(0.6, 60 / len(lineages))  # so that the tips of many classes stay apart
    axes.add_collection(LineCollection(tree_lines(lineages), colors="#374151", linewidths=width))
    axes.set(xlim=(-0.2, len(RANKS)), ylim=(len(lineages) - 0.5, -0.5), yticks=[])
    axes.set_xticks(range(1, len(RANKS) + 1), [rank[0].upper() for rank in RANKS], size=7)
    axes.set_xlabel("kingdom … species", size=7)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _draw_matrix(
    figure: Figure,
    axes: Axes,
    matrix: npt.NDArray[np.generic],
    label: str,
    vmax: float,
) -> None:
    image = axes.imshow(
        matrix, cmap=_COLOUR_MAP, vmin=0, vmax=vmax, aspect="auto", interpolation="nearest"
    )
    axes.set(xticks=[], yticks=[])
    bar = figure.colorbar(
        image,
        ax=axes,
        location="bottom",
        label=label,
        shrink=0.8,
        pad=0.02,
        extend="max" if matrix.max() > vmax else "neither",
    )
    bar.outline.set_visible(False)


def _part_taxa(axes: Axes, lineages: list[Lineage]) -> None:
    """White lines between the taxa of the highest rank that has several."""
    rows = [list(lineage.names.values()) for lineage in lineages]
    depth = next((d for d in range(len(RANKS)) if len({row[d] for row in rows}) > 1), 0)
    for place in range(1, len(rows)):
        if rows[place][depth] != rows[place - 1][depth]:
            axes.axhline(place - 0.5, color="white", linewidth=0.8)
            axes.axvline(place - 0.5, color="white", linewidth=0.8)


def _name_rows(axes: Axes, distances: ClassDistances) -> None:
    """Names of classes, or of the larger taxa of a rank, at the left of the matrix."""
    lineages = distances.lineages
    if len(lineages) <= MOST_NAMED_CLASSES:
        names = [
            shortened(lineage.scientific or class_id, 24)
            for class_id, lineage in zip(distances.class_ids, lineages, strict=True)
        ]
        axes.set_yticks(range(len(names)), names, size=6.5)
        axes.tick_params(length=0)
        return
    rank = named_rank(lineages)
    places, names, start = [], [], 0
    for name, group in groupby(lineages, key=lambda lineage: lineage.names[rank]):
        count = len(list(group))
        if name and count / len(lineages) >= SMALLEST_NAMED_TAXON:
            places.append(start + (count - 1) / 2)
            names.append(shortened(name, 18))
        start += count
    axes.set_yticks(places, names, size=7)
    axes.tick_params(length=2)
    axes.text(-0.03, 1.01, f"{rank}:", transform=axes.transAxes, ha="right", color=MUTED, size=7)


def named_rank(lineages: list[Lineage]) -> str:
    """The finest rank with at most ``MOST_NAMED_TAXA`` names; kingdom if none has so few."""
    counts = {rank: len({lineage.names[rank] for lineage in lineages} - {""}) for rank in RANKS}
    return next((r for r in reversed(RANKS) if 0 < counts[r] <= MOST_NAMED_TAXA), RANKS[0])


def _draw_pairs(axes: Axes, record: DistanceRecord) -> None:
    steps = record.models[0].steps
    bars = axes.bar([s.tree_distance for s in steps], [s.pairs for s in steps], color=_GREY)
    axes.bar_label(bars, size=7, color=MUTED)
    axes.set(xlabel="tree distance (ranks apart)", ylabel="pairs of classes")
    axes.set_title("pairs at each tree distance", size=9)
    _set_steps(axes, steps)


def _draw_means(axes: Axes, model: ModelDistances) -> None:
    """Mean embedding distance at each tree distance; bars are intervals over classes.

    A hollow point has none: fewer than ten classes are at this distance of each other.
    """
    steps = [step for step in model.steps if step.mean.value is not None]
    values = [step.mean.value for step in steps if step.mean.value is not None]
    axes.errorbar(
        [step.tree_distance for step in steps],
        values,
        yerr=np.transpose([_reach(step.mean) for step in steps]),
        color=COLOURS[0],
        marker="o",
        markersize=4.5,
        capsize=2.5,
        linewidth=1.2,
    )
    bare = [step for step in steps if step.mean.interval is None]
    if bare:
        axes.plot(
            [step.tree_distance for step in bare],
            [value for step in bare if (value := step.mean.value) is not None],
            linestyle="",
            marker="o",
            markersize=4.5,
            color=COLOURS[0],
            markerfacecolor="white",
            label="too few classes for an interval",
        )
        axes.legend(loc="upper left", fontsize=7)
    axes.set_ylim(bottom=0)
    axes.set(xlabel="tree distance (ranks apart)", ylabel="mean cosine distance")
    axes.set_title(f"Spearman {estimate_text(model.correlation)}", size=9)
    if model.change:
        text = f"change of Spearman {estimate_text(model.change)}"
        axes.text(1, 0.03, text, transform=axes.transAxes, ha="right", color=MUTED, size=7.5)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    grid(axes)
    _set_steps(axes, model.steps)


def _set_steps(axes: Axes, steps: list[DistanceStep]) -> None:
    first = min(1, steps[0].tree_distance)
    axes.set_xticks(range(first, len(RANKS) + 1))
    axes.set_xlim(first - 0.5, len(RANKS) + 0.5)


def _reach(estimate: Estimate) -> tuple[float, float]:
    if estimate.interval is None or estimate.value is None:
        return (0.0, 0.0)
    low, high = estimate.interval.low, estimate.interval.high
    return (max(0.0, estimate.value - low), max(0.0, high - estimate.value))


def estimate_text(estimate: Estimate) -> str:
    """Such as "0.41 (95%: 0.30 to 0.52)"."""
    if estimate.value is None:
        return "undefined"
    if estimate.interval is None:
        return f"{estimate.value:z.2f} (too few classes for an interval)"
    interval = estimate.interval
    ends = f"{interval.low:z.2f} to {interval.high:z.2f}"
    return f"{estimate.value:z.2f} ({interval.confidence:.0%}: {ends})"
