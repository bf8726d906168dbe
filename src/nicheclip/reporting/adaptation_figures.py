"""Figures of adaptation without labels; true labels are joined here, after all was fitted."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from nicheclip.evaluation.predictions import read_labels
from nicheclip.models.class_scores import ClassScores
from nicheclip.models.features import Array
from nicheclip.models.pseudo_labels import (
    NO_LABEL,
    PSEUDO_LABELS_FILE,
    PseudoLabels,
    read_pseudo_labels,
)
from nicheclip.plan.adaptation_figures import AdaptationFigures
from nicheclip.reporting.figures import principal_components, scatter_classes
from nicheclip.reporting.style import COLOURS, MARKERS, MUTED, grid, style

Floats = npt.NDArray[np.float64]

#: classes of the group that is hardest to tell apart
HARD_CLASSES = 4
#: of the densities
BINS = 40
#: WCA's published code sharpens its weights by e^4
CODE_SCALE = float(np.exp(4))


def label_accuracy(found: PseudoLabels, labels: Mapping[str, str]) -> tuple[Floats, Floats]:
    """[E] and [E]: the share of labelled images whose pseudo-label is right (NaN where none has
    one), and the share of images that have one, by epoch.
    """
    place = {class_id: row for row, class_id in enumerate(found.class_ids)}
    true = np.asarray([place[labels[image_id]] for image_id in found.image_ids])
    known = found.labels != NO_LABEL
    right = (found.labels == true) & known
    counts = known.sum(axis=1)
    shares = np.where(counts > 0, right.sum(axis=1) / np.maximum(counts, 1), np.nan)
    return shares, counts / found.labels.shape[1]


def label_accuracies(
    wanted: AdaptationFigures, adapted: Path, acquired: Path
) -> dict[str, dict[str, tuple[Floats, Floats]]]:
    """``label_accuracy`` by task and method, of the methods that left pseudo-labels.

    Args:
        wanted: tasks and methods.
        adapted: ``results/models/adapted``.
        acquired: ``results/acquire``.
    """
    found: dict[str, dict[str, tuple[Floats, Floats]]] = {}
    for task in wanted.tasks:
        labels = read_labels(acquired / task.dataset / "catalog.parquet", task.fit)
        files = {
            label: adapted / name / task.name / f"seed{wanted.seed}" / PSEUDO_LABELS_FILE
            for label, name in wanted.trained.items()
        }
        found[task.name] = {
            label: label_accuracy(read_pseudo_labels(file), labels)
            for label, file in files.items()
            if file.is_file()
        }
    return found


def pseudo_label_figure(
    tasks: Mapping[str, Mapping[str, tuple[Floats, Floats]]], title: str
) -> Figure:
    """Accuracy of pseudo-labels by epoch: a panel for each task, a line for each method.

    Args:
        tasks: what ``label_accuracy`` gives, by task and method.
        title: of the figure.
    """
    methods = list(dict.fromkeys(name for found in tasks.values() for name in found))
    with style():
        figure = Figure(figsize=(1.4 + 2.6 * len(tasks), 3.4))
        panels = np.atleast_1d(figure.subplots(1, len(tasks), sharey=True, sharex=True))
        for axes, (task, found) in zip(panels, tasks.items(), strict=True):
            for name, (shares, coverage) in found.items():
                number = methods.index(name)
                axes.plot(
                    np.arange(1, len(shares) + 1),
                    shares,
                    color=COLOURS[number % len(COLOURS)],
                    marker=MARKERS[number % len(MARKERS)],
                    markersize=4.5,
                    linestyle="-" if coverage.min() > 0.999 else ":",
                    label=name if coverage.min() > 0.999 else f"{name} (of some images)",
                )
            axes.set_title(task)
            axes.set_xlabel("epoch")
            axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
            axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
            grid(axes)
        panels[0].set_ylabel("pseudo-labels that are right")
        handles = {
            label: handle
            for axes in panels
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        figure.legend(
            handles.values(), handles.keys(), loc="outside lower center", ncols=4, fontsize=8
        )
        figure.suptitle(title)
    return figure


def crop_weight_figure(features: Array, cls: Array, top: int | None, title: str) -> Figure:
    """Densities of what weighs crops (FAIR, Figure 6).

    Left, how near crops are to the whole image; right, their weights as shares of all weights of
    an image, times the number of crops that count: 1 is an even weight.

    Args:
        features: [n, N], cosines of features.
        cls: [n, N], cosines of [CLS] tokens.
        top: k; None: all crops count for FAIR.
        title: of the figure.
    """
    count = cls.shape[1]
    chosen = np.sort(cls, axis=1)[:, count - (top or count) :]
    left: dict[str, Array | Floats] = {
        "WCA: features": features,
        "FAIR: [CLS], all crops": cls,
        f"FAIR: [CLS], the {top or count} nearest of {count}": chosen,
    }
    right: dict[str, Array | Floats] = {
        "WCA, paper": _even(_softmax(features)),
        "WCA, code": _even(_softmax(CODE_SCALE * features)),
        f"FAIR, {top or count} of {count}": _even(chosen),
    }
    with style():
        figure = Figure(figsize=(7.4, 3.2))
        panels = figure.subplots(1, 2)
        for axes, series, label in zip(
            panels,
            (left, right),
            ("cosine of crop and whole image", "weight of a crop, 1: even"),
            strict=True,
        ):
            _densities(axes, series)
            axes.set_xlabel(label)
        panels[0].set_ylabel("density")
        figure.suptitle(title)
    return figure


def _softmax(values: Array) -> Floats:
    shifted = np.exp(values.astype(np.float64) - values.max(axis=1, keepdims=True))
    found: Floats = shifted / shifted.sum(axis=1, keepdims=True)
    return found


def _even(weights: Array | Floats) -> Floats:
    values = weights.astype(np.float64)
    found: Floats = values.shape[1] * values / values.sum(axis=1, keepdims=True)
    return found


def _densities(axes: Axes, series: Mapping[str, Array | Floats]) -> None:
    """Each as a share of its own highest bin: their widths differ by orders of magnitude."""
    everything = np.concatenate([values.ravel() for values in series.values()])
    low, high = np.quantile(everything, [0.002, 0.998]).tolist()
    edges = np.linspace(low, high, BINS + 1)
    for number, (label, values) in enumerate(series.items()):
        heights, _ = np.histogram(values, bins=edges)
        axes.stairs(
            heights / max(1, heights.max()),
            edges,
            color=COLOURS[number],
            linewidth=1.6,
            linestyle=("-", "--", "-.")[number],
            label=label,
        )
    axes.set_yticks([0, 1], ["0", "peak"])
    axes.set_ylim(0, 1.55)
    axes.legend(fontsize=7.5, loc="upper left")


def hard_group(
    scores: ClassScores, labels: Mapping[str, str], most: int = HARD_CLASSES
) -> list[str]:
    """The classes that are most often taken for each other, sorted.

    Begins with the pair that has the most mistakes in both directions, and adds the class that has
    the most with those before.
    """
    best = [scores.class_ids[column] for column in scores.probabilities.argmax(axis=1)]
    mistakes: Counter[frozenset[str]] = Counter()
    for image_id, decided in zip(scores.image_ids, best, strict=True):
        if decided != labels[image_id]:
            mistakes[frozenset((decided, labels[image_id]))] += 1
    pairs = sorted(mistakes.items(), key=lambda item: (-item[1], sorted(item[0])))
    group = sorted(pairs[0][0]) if pairs else sorted(scores.class_ids)[:2]
    while len(group) < min(most, len(scores.class_ids)):
        others = [one for one in sorted(scores.class_ids) if one not in group]
        counts = [sum(mistakes[frozenset((one, member))] for member in group) for one in others]
        group.append(others[int(np.argmax(counts))])
    return sorted(group)


def hard_group_figure(
    states: Mapping[str, tuple[ClassScores, Array]],
    labels: Mapping[str, str],
    names: Mapping[str, str],
    group: Sequence[str],
    title: str,
) -> Figure:
    """Features of the images of some classes on their first two components, side by side.

    Args:
        states: scores and features [n, d] of all images, by what made them.
        labels: the class of each image.
        names: of the classes, by id.
        group: the classes that are shown.
        title: of the figure.
    """
    with style():
        figure = Figure(figsize=(1.2 + 3.1 * len(states), 3.9))
        panels = np.atleast_1d(figure.subplots(1, len(states)))
        for axes, (state, (scores, features)) in zip(panels, states.items(), strict=True):
            true = np.asarray([labels[image_id] for image_id in scores.image_ids])
            mine = np.isin(true, group)
            best = np.asarray(scores.class_ids)[scores.probabilities.argmax(axis=1)]
            points, shares = principal_components(features[mine])
            scatter_classes(axes, points, true[mine], group, names)
            right = (best == true)[mine].mean()
            axes.set_title(f"{state}: {right:.0%} of {mine.sum()} right")
            axes.set_xlabel(f"component 1 ({shares[0]:.0%} of the variance)")
            axes.set_ylabel(f"component 2 ({shares[1]:.0%})", color=MUTED)
            axes.set_xticks([])
            axes.set_yticks([])
        handles, texts = panels[0].get_legend_handles_labels()
        figure.legend(handles, texts, loc="outside lower center", ncols=2, fontsize=8)
        figure.suptitle(title)
    return figure
