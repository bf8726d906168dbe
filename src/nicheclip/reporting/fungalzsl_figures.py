"""FungalZSL's figures 4 and 5, and its Table 1 as a picture."""

import io
import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from nicheclip.data.shard_reader import ShardSet
from nicheclip.evaluation.predictions import TOP, Predictions
from nicheclip.reporting.dots import Series, draw_series, name_lines
from nicheclip.reporting.style import (
    COLOURS,
    MUTED,
    RIGHT,
    WRONG,
    grid,
    shortened,
    style,
)
from nicheclip.reporting.table import Table
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.seeding import generator


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


def prediction_grid(
    predictions: Predictions,
    shards: ShardSet,
    names: Mapping[str, str],
    title: str,
    *,
    rows: int = 4,
    columns: int = 6,
    seed: int = 0,
) -> Figure:
    """Figure 5: images with their predicted and true classes; green ✓ is right, red ✗ is wrong.

    The images are a random sample, not a selection: right and wrong ones stand as they come.

    Args:
        predictions: of one cell.
        shards: the split that was judged.
        names: of the classes, by class id.
        title: of the figure.
        rows: of the grid, at most.
        columns: of the grid.
        seed: of the sample.
    """
    wanted = min(rows * columns, len(predictions.image_ids))
    order = sorted(range(len(predictions.image_ids)), key=lambda i: predictions.image_ids[i])
    chosen = generator("prediction grid", seed).choice(len(order), size=wanted, replace=False)
    place = {image_id: index for index, image_id in enumerate(shards.image_ids)}
    rows = -(-wanted // columns)
    with style():
        figure = Figure(figsize=(1.75 * columns, 2.1 * rows + 0.7))
        all_axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
        for axes in all_axes[wanted:]:
            axes.set_visible(False)
        for axes, number in zip(all_axes, chosen, strict=False):
            row = order[number]
            sample = shards.read(place[predictions.image_ids[row]])
            with Image.open(io.BytesIO(sample.jpg)) as image:
                axes.imshow(np.asarray(image.convert("RGB")))
            label, best = predictions.labels[row], predictions.best[row]
            _frame(axes, names.get(label, label), names.get(best, best), right=label == best)
        share = predictions.correct().mean()
        figure.suptitle(
            f"{title}\n{wanted} of {len(order)} images, drawn at random; "
            f"{share:.1%} of all are right"
        )
    return figure


def _frame(axes: Axes, label: str, best: str, *, right: bool) -> None:
    colour = RIGHT if right else WRONG
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(visible=True, color=colour, linewidth=3)
    lines = [f"{'✓' if right else '✗'} {shortened(best, 20)}"]
    lines.append("" if right else f"true: {shortened(label, 18)}")
    axes.set_title(
        "\n".join(lines), color=colour, size=8, weight="normal", loc="left", linespacing=1.3
    )


def recall_figure(table: Table) -> Figure:
    """Table 1 as a picture: measured Recall@1 with its interval beside the other numbers.

    Args:
        table: of ``fungalzsl.fungalzsl_table``; rows with neither a published nor a measured
            number are left out.
    """
    keys = [column.key for column in table.columns]
    rows = [dict(zip(keys, row, strict=True)) for row in table.rows]
    with style():
        figure = Figure(figsize=(7.2, 1.9 + 0.6 * len(rows)))
        axes = figure.add_subplot()
        for key, label, colour, marker, offset in (
            ("published", "published", "#111111", None, 0.0),
            ("chance_class", "chance", WRONG, None, 0.0),
            ("recall_at_1_class", "measured, with interval", COLOURS[0], "o", 0.0),
            ("before_training", "before training", MUTED, "s", -0.2),
            ("colour_histogram", "colour histogram", COLOURS[1], "D", 0.2),
        ):
            cells = [row[key] for row in rows]
            dashed = key == "chance_class"
            draw_series(axes, Series(label, cells, colour, marker, dashed, offset))
        name_lines(axes, [str(row["model"]) for row in rows])
        axes.set_xlim(-0.02, 1.02)
        axes.set_xlabel("Recall@1 by class")
        grid(axes, axis="x")
        figure.suptitle(textwrap.fill(table.title, 70))
        figure.legend(loc="outside lower center", ncols=3, fontsize=8)
    return figure
