"""BioCLIP's intrinsic tree figure: do image features fall apart into the taxa of each rank?

Features of the same images under each model, a panel for each rank, going down the tree within the
taxon that has most images.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nicheclip.models.features import ImageFeatures
from nicheclip.reporting.projection import FEWEST_POINTS, t_sne
from nicheclip.reporting.style import COLOURS, MARKERS, MUTED, shortened, style
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.seeding import generator
from nicheclip.taxonomy.lineage import Lineage
from nicheclip.terms import RANKS

#: of a panel; more are sampled, since points would hide each other and t-SNE takes its time
MOST_IMAGES = 300

#: named and coloured in a panel, as in BioCLIP's figure; others are grey
MOST_TAXA = 6

#: panels side by side; more would make the names unreadable on a page
PANELS_IN_A_ROW = 4

_GREY = "#D1D5DB"


@dataclass(frozen=True)
class Panel:
    """The images of one taxon, by their taxa one rank below."""

    rank: str
    """Of the taxa that have colours."""
    within: str
    """The taxon that holds all the images; "" at the top."""
    image_ids: list[str]
    taxa: list[str]
    """Of each image; "" where its class has no name at this rank."""
    total: int
    """Images of ``within``; more than are drawn where they were sampled."""


def tree_panels(
    labels: Mapping[str, str], lineages: Mapping[str, Lineage], *, seed: int
) -> list[Panel]:
    """The panels from kingdom to species: each lies in the largest taxon of the one before.

    The largest has most images (the first by name, if several have). A rank at which all images
    share one taxon, or with fewer than ten images, has no panel.

    Args:
        labels: class of each image, by image id.
        lineages: of the classes, by class id.
        seed: of the sample where a panel has more than ``MOST_IMAGES`` images.

    Raises:
        InputError: no rank has a panel.
    """
    panels = []
    image_ids, within = sorted(labels), ""
    for depth, rank in enumerate(RANKS):
        taxa = [_taxon(lineages[labels[image_id]], rank) for image_id in image_ids]
        sizes = Counter(taxon for taxon in taxa if taxon)
        if not sizes:
            continue
        if len(sizes) > 1 and len(image_ids) >= FEWEST_POINTS:
            panels.append(_panel(rank, within, image_ids, taxa, generator("tree", depth, seed)))
        within = min(sizes, key=lambda taxon: (-sizes[taxon], taxon))
        image_ids = [i for i, taxon in zip(image_ids, taxa, strict=True) if taxon == within]
    if not panels:
        raise InputError(
            f"{len(labels)} images: at no rank do {FEWEST_POINTS} or more of them belong to two or "
            "more taxa, so there is no tree to draw. Expected a data set whose classes have ranks "
            "(kingdom, ..., species) in classes.parquet."
        )
    return panels


def _taxon(lineage: Lineage, rank: str) -> str:
    """Its name; of a species the binomial."""
    name = lineage.names[rank]
    return lineage.scientific if rank == "species" and name else name


def _panel(
    rank: str, within: str, image_ids: list[str], taxa: list[str], rng: np.random.Generator
) -> Panel:
    rows = np.arange(len(image_ids))
    if len(rows) > MOST_IMAGES:
        rows = np.sort(rng.choice(rows, MOST_IMAGES, replace=False))
    return Panel(
        rank, within, [image_ids[row] for row in rows], [taxa[row] for row in rows], len(image_ids)
    )


def tree_figure(models: Mapping[str, ImageFeatures], panels: Sequence[Panel], title: str) -> Figure:
    """Features on a plane (t-SNE) under each model, coloured by the taxa of each rank.

    A panel shows at most 300 images and names the 6 largest taxa among them.

    Args:
        models: features of at least the panels' images, by the name of the model; one row each.
        panels: of ``tree_panels``.
        title: of the figure.
    """
    rows = -(-len(panels) // PANELS_IN_A_ROW)
    columns = -(-len(panels) // rows)
    blocks = [panels[start : start + columns] for start in range(0, len(panels), columns)]
    heights = [[2.3] * len(models) + [_legend_height(block)] for block in blocks]
    with style():
        figure = Figure(figsize=(0.3 + 2.4 * columns, 0.5 + sum(map(sum, heights))))
        parts: Any = figure.subfigures(
            len(blocks), 1, squeeze=False, height_ratios=[sum(block) for block in heights]
        )
        for part, block, shares in zip(parts[:, 0], blocks, heights, strict=True):
            axes = part.subplots(len(shares), columns, height_ratios=shares, squeeze=False)
            for column in range(columns):
                if column < len(block):
                    _draw_panel(axes[:, column], models, block[column])
                else:
                    for unused in axes[:, column]:
                        unused.set_visible(False)
            for row, name in enumerate(models):
                axes[row, 0].set_ylabel(shortened(name), weight="bold")
        figure.suptitle(title)
    return figure


def _legend_height(block: Sequence[Panel]) -> float:
    """Inches for the longest list of names below a row of panels."""
    return 0.35 + 0.15 * max(min(len(set(panel.taxa)), MOST_TAXA + 2) for panel in block)


def _draw_panel(axes: npt.NDArray[Any], models: Mapping[str, ImageFeatures], panel: Panel) -> None:
    """One column: the panel under each model, and the names below."""
    sizes = Counter(taxon for taxon in panel.taxa if taxon)
    shown = sorted(sizes, key=lambda taxon: (-sizes[taxon], taxon))[:MOST_TAXA]
    taxa = np.asarray(panel.taxa)
    for part, features in zip(axes, models.values(), strict=False):
        _scatter(part, t_sne(features.rows(panel.image_ids)), taxa, shown)
    heading = f"{panel.rank}" + (f", in {shortened(panel.within, 20)}" if panel.within else "")
    axes[0].set_title(heading)
    _name_taxa(axes[-1], panel, sizes, shown)


def _scatter(
    axes: Axes, points: npt.NDArray[np.float64], taxa: npt.NDArray[np.str_], shown: list[str]
) -> None:
    """Grey below, then the taxa, the largest first, so that small ones are not hidden."""
    area = float(np.clip(3000 / len(points), 4, 22))
    rest = ~np.isin(taxa, shown)
    axes.scatter(points[rest, 0], points[rest, 1], s=area * 0.6, c=_GREY, linewidths=0)
    for number, taxon in enumerate(shown):
        mine = taxa == taxon
        axes.scatter(
            points[mine, 0],
            points[mine, 1],
            s=area,
            c=COLOURS[number],
            marker=MARKERS[number],
            alpha=0.85,
            linewidths=0,
        )
    axes.set(xticks=[], yticks=[])
    axes.set_aspect("equal", adjustable="datalim")
    for spine in axes.spines.values():
        spine.set(visible=True, color="#E5E7EB")


def _name_taxa(axes: Axes, panel: Panel, sizes: Mapping[str, int], shown: list[str]) -> None:
    axes.set_axis_off()
    entries = [
        (f"{shortened(taxon, 24)} ({sizes[taxon]})", COLOURS[number], MARKERS[number])
        for number, taxon in enumerate(shown)
    ]
    others = [taxon for taxon in sizes if taxon not in shown]
    if others:
        count = sum(sizes[taxon] for taxon in others)
        entries.append((f"{len(others)} others ({count})", _GREY, "o"))
    if "" in panel.taxa:
        entries.append((f"no {panel.rank} given ({panel.taxa.count('')})", _GREY, "o"))
    handles = [
        Line2D([], [], linestyle="", marker=marker, color=colour, markersize=5, label=label)
        for label, colour, marker in entries
    ]
    drawn = len(panel.image_ids)
    images = f"{drawn} images" if drawn == panel.total else f"{drawn} of {panel.total} images"
    legend = axes.legend(
        handles=handles,
        title=images,
        loc="upper left",
        bbox_to_anchor=(0, 1),
        borderaxespad=0,
        fontsize=7.5,
        title_fontsize=7.5,
        alignment="left",
        handletextpad=0.2,
        labelspacing=0.25,
    )
    legend.get_title().set_color(MUTED)
