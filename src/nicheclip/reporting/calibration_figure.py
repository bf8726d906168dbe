"""The reliability diagram of a model, and its accuracy where unsure answers are left out."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from nicheclip.evaluation.calibration import BINS, Floats, risk_coverage
from nicheclip.evaluation.measures import CellMetrics
from nicheclip.reporting.style import COLOURS, MARKERS, MUTED, grid, style

#: areas of the marker of a bin that holds all images, and of the smallest that is drawn
LARGEST, SMALLEST = 260.0, 14.0


def calibration_figure(
    metrics: CellMetrics, confidence: Floats, correct: Floats, title: str
) -> Figure:
    """Two panels: accuracy over probability in bins, and accuracy over the share that is answered.

    Args:
        metrics: of a cell of the protocol ``calibration``.
        confidence: probability of each image's answer, without the temperature [n].
        correct: 1 where it is right, else 0 [n].
        title: of the figure.
    """
    with style():
        figure = Figure(figsize=(8.4, 4.3))
        reliability, selective = figure.subplots(1, 2)
        _reliability(reliability, metrics)
        _selective(selective, confidence, correct)
        figure.suptitle(title)
    return figure


def _reliability(axes: Axes, metrics: CellMetrics) -> None:
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle="dashed", label="as it says")
    temperature = _value(metrics, "temperature")
    labels = {"": "as the model gives it", "_scaled": f"temperature {temperature:.3g}"}
    for number, (suffix, label) in enumerate(labels.items()):
        points = _bins(metrics, suffix)
        across, up, shares = np.transpose(points)
        axes.plot(across, up, color=COLOURS[number], linewidth=1)
        axes.scatter(
            across,
            up,
            s=np.maximum(LARGEST * shares, SMALLEST),
            color=COLOURS[number],
            marker=MARKERS[number],
            alpha=0.85,
            clip_on=False,
            label=f"{label}: ECE {_value(metrics, f'ece{suffix}'):.3f}",
        )
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.set_xlabel(f"probability of the answer, mean of each of {BINS} bins")
    axes.set_ylabel("accuracy of the bin")
    axes.set_title("Reliability; marks as large as bins")
    grid(axes, axis="both")
    legend = axes.legend(loc="upper left", fontsize=8)
    for handle in legend.legend_handles[1:]:
        handle.set_sizes([40.0])  # type: ignore[union-attr]


def _bins(metrics: CellMetrics, suffix: str) -> Sequence[tuple[float, float, float]]:
    """Mean probability, accuracy and share of the images of each bin that has any."""
    points = []
    for place in range(BINS):
        confidence = metrics.find(f"bin_confidence{suffix}", bin=str(place))
        accuracy = metrics.find(f"bin_accuracy{suffix}", bin=str(place))
        if confidence and accuracy:
            points.append((confidence.value, accuracy.value, accuracy.n / metrics.n))
    return points


def _selective(axes: Axes, confidence: Floats, correct: Floats) -> None:
    coverage, risk = risk_coverage(confidence, correct)
    axes.plot(coverage, 1 - risk, color=COLOURS[0], linewidth=1.6)
    axes.axhline(
        float(correct.mean()), color=MUTED, linewidth=1, linestyle="dashed", label="all answered"
    )
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.set_xlabel("images answered, the surest first")
    axes.set_ylabel("accuracy of the answers")
    axes.set_title("Unsure answers left out")
    grid(axes, axis="both")
    axes.legend(loc="best", fontsize=8)


def _value(metrics: CellMetrics, name: str) -> float:
    found = metrics.find(name)
    assert found is not None, f"the protocol calibration measures {name}"
    return found.value
