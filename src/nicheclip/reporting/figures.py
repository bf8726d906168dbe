"""Figures of single cells and runs: confusions, training curves, embeddings."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator, StrMethodFormatter

from nicheclip.evaluation.predictions import Predictions
from nicheclip.models.features import ImageFeatures
from nicheclip.reporting.style import COLOURS, MARKERS, MUTED, grid, shortened, style
from nicheclip.runtime.errors import InputError

#: with more classes the names and numbers would not be readable
MOST_NAMED_CLASSES = 30
#: letters of a class name beside a confusion matrix
LONGEST_LABEL = 44

#: with more classes the colours would repeat
MOST_COLOURED_CLASSES = len(COLOURS) - 1


def confusion_matrix(predictions: Predictions, class_ids: Sequence[str]) -> npt.NDArray[np.int64]:
    """Images of each true class (row) by predicted class (column) [C, C]."""
    place = {class_id: row for row, class_id in enumerate(class_ids)}
    matrix = np.zeros((len(class_ids), len(class_ids)), dtype=np.int64)
    for label, best in zip(predictions.labels, predictions.best, strict=True):
        matrix[place[label], place[best]] += 1
    return matrix


def confusion_figure(predictions: Predictions, names: Mapping[str, str], title: str) -> Figure:
    """The confusion matrix; colours are shares of the true class, numbers are images.

    Classes that occur neither as label nor as prediction are left out.

    Args:
        predictions: of one cell.
        names: of the classes, by class id; a missing name is replaced by the id.
        title: of the figure.
    """
    class_ids = sorted({*predictions.labels, *predictions.best})
    matrix = confusion_matrix(predictions, class_ids)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    count = len(class_ids)
    named = count <= MOST_NAMED_CLASSES
    edge = 2.0 + min(max(count * 0.36, 1.6), 7.0)
    with style():
        figure = Figure(figsize=(edge + 1.4, edge + 0.6), layout="compressed")
        axes = figure.add_subplot()
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        if named:
            labels = [shortened(names.get(c, c), LONGEST_LABEL) for c in class_ids]
            axes.set_xticks(range(count), labels, rotation=45, ha="right", rotation_mode="anchor")
            axes.set_yticks(range(count), labels)
            _write_numbers(axes, matrix, shares)
        else:
            axes.set_xticks([])
            axes.set_yticks([])
        places = "" if named else f" ({count} classes, sorted by id)"
        axes.set(xlabel="predicted" + places, ylabel="true" + places)
        axes.tick_params(length=0)
        accuracy = predictions.correct().mean()
        figure.suptitle(f"{title}\n{accuracy:.1%} of {len(predictions.labels)} images right")
        figure.colorbar(image, ax=axes, label="share of the true class")
    return figure


def _write_numbers(
    axes: Axes, numbers: npt.NDArray[np.int64], shares: npt.NDArray[np.float64]
) -> None:
    size = 9 if len(numbers) <= 12 else 6
    for row, column in zip(*np.nonzero(numbers), strict=True):
        colour = "white" if shares[row, column] > 0.5 else "#1F2937"
        axes.text(
            column,
            row,
            str(numbers[row, column]),
            ha="center",
            va="center",
            color=colour,
            size=size,
        )


#: columns of ``history.csv`` that have a panel, and its heading
CURVES = (
    ("loss", "training loss"),
    ("val_accuracy", "validation accuracy"),
    ("zero_shot_accuracy", "zero-shot validation accuracy"),
    ("knn_accuracy", "nearest neighbours' accuracy"),
    ("feature_rank", "effective rank of features"),
    ("teacher_entropy", "entropy of the mean answer"),
    ("answer_entropy", "mean entropy of answers"),
    ("lr", "learning rate"),
    ("trainable", "trainable parameters"),
    ("logit_scale", "logit scale"),
)


def training_figure(histories: Mapping[str, Path], title: str) -> Figure:
    """Curves of one or several runs over the epochs.

    Args:
        histories: ``history.csv`` of each run by its label (for example the seed), with the
            column ``epoch`` and some of ``CURVES``; the panels are those that occur.
        title: of the figure.

    Raises:
        InputError: a file has no column ``epoch``, or no file has a curve.
    """
    tables = {label: _read_history(path) for label, path in histories.items()}
    panels = [
        (key, heading)
        for key, heading in CURVES
        if any(key in t.columns and t[key].drop_nulls().len() for t in tables.values())
    ]
    if not panels:
        raise InputError(f"{', '.join(map(str, histories.values()))}: no curve to draw.")
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    with style():
        figure = Figure(figsize=(3.3 * columns, 2.5 * rows + 0.5))
        all_axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
        for axes, (key, heading) in zip(all_axes, panels, strict=False):
            for number, (label, table) in enumerate(tables.items()):
                _draw_curve(axes, table, key, label, number)
            axes.set_title(heading)
            grid(axes)
            axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
            if key.endswith("_accuracy"):
                axes.set_ylim(0, 1.02)
            if key == "trainable":
                axes.yaxis.set_major_formatter(EngFormatter(sep=""))
            if key == "lr":
                axes.yaxis.set_major_formatter(StrMethodFormatter("{x:.2g}"))
        for axes in all_axes[len(panels) :]:
            axes.set_visible(False)
        for axes in all_axes[: len(panels)][-columns:]:
            axes.set_xlabel("epoch")
        if len(tables) > 1:
            all_axes[0].legend(fontsize=8)
        figure.suptitle(title)
    return figure


def _read_history(path: Path) -> pl.DataFrame:
    table = pl.read_csv(path, infer_schema_length=None)
    if "epoch" not in table.columns:
        raise InputError(f"{path}: no column epoch among {table.columns}; expected history.csv.")
    return table


def _draw_curve(axes: Axes, table: pl.DataFrame, key: str, label: str, number: int) -> None:
    if key not in table.columns:
        return
    rows = table.filter(pl.col(key).is_not_null())
    axes.plot(
        rows["epoch"].to_numpy(),
        rows[key].to_numpy(),
        color=COLOURS[number % len(COLOURS)],
        marker=MARKERS[number % len(MARKERS)],
        markersize=3,
        linewidth=1.3,
        drawstyle="steps-post" if key == "trainable" else "default",
        label=label,
    )


def principal_components(
    features: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The first two principal components of ``features`` [n, d].

    The sign of a component is such that its largest loading is positive, which makes the picture
    the same on every machine.

    Returns:
        Coordinates [n, 2] and the share of the variance of each component [2].
    """
    centred = features.astype(np.float64) - features.mean(axis=0, dtype=np.float64)
    values, vectors = np.linalg.eigh(centred.T @ centred)
    axes = vectors[:, ::-1][:, :2]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), range(axes.shape[1])])
    total = max(values.sum(), np.finfo(float).tiny)
    return centred @ axes, values[::-1][:2].clip(min=0) / total


def scatter_classes(
    axes: Axes,
    points: npt.NDArray[np.float64],
    classes: npt.NDArray[Any],
    shown: Sequence[str],
    names: Mapping[str, str],
) -> None:
    """Draw ``points`` [n, 2] of the ``shown`` classes, each with its own colour, mark and label."""
    for number, class_id in enumerate(shown):
        mine = classes == class_id
        axes.scatter(
            points[mine, 0],
            points[mine, 1],
            s=18,
            c=COLOURS[number],
            marker=MARKERS[number],
            alpha=0.8,
            linewidths=0,
            label=shortened(names.get(class_id, class_id)),
        )


def embedding_figure(
    images: ImageFeatures, labels: Mapping[str, str], names: Mapping[str, str], title: str
) -> Figure:
    """Image features on their first two principal components, coloured by class.

    With many classes the most frequent ones have a colour, the others are grey.
    """
    points, shares = principal_components(images.features)
    classes = np.asarray([labels[image_id] for image_id in images.image_ids])
    frequent = sorted(Counter(classes.tolist()).items(), key=lambda item: (-item[1], item[0]))
    shown = sorted(class_id for class_id, _ in frequent[:MOST_COLOURED_CLASSES])
    rest = ~np.isin(classes, shown)
    with style():
        figure = Figure(figsize=(6.6, 4.4))
        axes = figure.add_subplot()
        if rest.any():
            others = len(frequent) - len(shown)
            axes.scatter(
                points[rest, 0],
                points[rest, 1],
                s=9,
                c="#D1D5DB",
                linewidths=0,
                label=f"{others} other classes",
            )
        scatter_classes(axes, points, classes, shown, names)
        axes.set(
            xlabel=f"component 1 ({shares[0]:.0%} of the variance)",
            ylabel=f"component 2 ({shares[1]:.0%})",
        )
        axes.set_aspect("equal", adjustable="datalim")
        axes.axhline(0, color="#E5E7EB", linewidth=0.8, zorder=0)
        axes.axvline(0, color="#E5E7EB", linewidth=0.8, zorder=0)
        axes.text(
            1,
            1.02,
            f"{len(classes)} images",
            transform=axes.transAxes,
            ha="right",
            color=MUTED,
        )
        figure.legend(loc="outside right upper", fontsize=8)
        figure.suptitle(title)
    return figure
