"""Numbers with their intervals as dots along a line, one line for each row of a table."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nicheclip.reporting.style import grid, style
from nicheclip.reporting.table import Content, Measured, Number


@dataclass(frozen=True)
class Series:
    """One number for each line of a panel; lines where nothing was measured stay empty."""

    label: str
    cells: Sequence[Content]
    """From the first line to the last."""
    colour: str
    marker: str | None = None
    """None: an upright stroke without interval, for what was not measured here."""
    dashed: bool = False
    """Of the stroke."""
    offset: float = 0.0
    """Down from the line's middle, in lines."""


def draw_series(axes: Axes, series: Series) -> None:
    """Draw ``series`` at the heights 0, 1, 2, ...; one without any number is left out."""
    cells = {place: c for place, c in enumerate(series.cells) if isinstance(c, Measured | Number)}
    if not cells:
        return
    values = [cell.value for cell in cells.values()]
    places = [place + series.offset for place in cells]
    if series.marker is None:
        axes.vlines(
            values,
            [place - 0.32 for place in places],
            [place + 0.32 for place in places],
            colors=series.colour,
            linestyles="dashed" if series.dashed else "solid",
            linewidth=2,
            label=series.label,
        )
        return
    axes.errorbar(
        values,
        places,
        xerr=np.transpose([_reach(cell) for cell in cells.values()]),
        fmt=series.marker,
        color=series.colour,
        markersize=5.5,
        elinewidth=1.6,
        capsize=2.5,
        label=series.label,
    )


def name_lines(axes: Axes, lines: Sequence[str]) -> None:
    """Label the heights 0, 1, 2, ... from top to bottom."""
    axes.set_yticks(range(len(lines)), lines)
    axes.set_ylim(len(lines) - 0.5, -0.5)


def dots_figure(
    panels: Mapping[str, Sequence[Series]],
    lines: Sequence[str],
    *,
    title: str,
    measure: str,
    zero: bool = False,
) -> Figure:
    """Panels side by side with the same lines.

    Args:
        panels: the series of each panel, by its heading.
        lines: labels of the lines, from top to bottom.
        title: of the figure.
        measure: what the dots are.
        zero: draw a line at 0; the numbers are differences.
    """
    columns = len(panels)
    longest = max((len(line) for line in lines), default=0)
    with style():
        width = 1.2 + 0.075 * longest + 3.1 * columns
        figure = Figure(figsize=(width, 1.7 + 0.42 * len(lines)))
        all_axes = np.atleast_1d(figure.subplots(1, columns, sharex=True, sharey=True))
        for axes, (heading, series) in zip(all_axes, panels.items(), strict=True):
            for one in series:
                draw_series(axes, one)
            axes.set_title(heading)
            axes.set_xlabel(measure)
            grid(axes, axis="x")
            if zero:
                axes.axvline(0, color="#111111", linewidth=1)
        name_lines(all_axes[0], lines)
        if not zero:
            all_axes[0].set_xlim(left=0)
        figure.suptitle(textwrap.fill(title, int(11 * width)))
        handles, labels = all_axes[0].get_legend_handles_labels()
        if len(handles) > 1:
            figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8)
    return figure


def _reach(cell: Measured | Number) -> tuple[float, float]:
    """From the value down to the low and up to the high end of its interval."""
    if isinstance(cell, Number) or cell.low is None or cell.high is None:
        return (0.0, 0.0)
    return (max(0.0, cell.value - cell.low), max(0.0, cell.high - cell.value))
