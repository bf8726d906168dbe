"""Mean ranks of methods over tasks, and which of them Nemenyi's test does not tell apart."""

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nicheclip.config.table_figures import CriticalDifferenceFigure
from nicheclip.evaluation.rank_test import FEWEST_METHODS, FEWEST_TASKS, RankTest, rank_test
from nicheclip.plan.table_request import TableRequest
from nicheclip.reporting.figure_kinds import Drawing
from nicheclip.reporting.style import COLOURS, MUTED, shortened, style
from nicheclip.reporting.table import Measured, Table, rows_by_key

#: heights, down from the axis: first bar, between bars, from the last bar to a name, between names
FIRST_BAR, BAR, NAMES, NAME = 0.45, 0.3, 0.55, 0.62


def draw(request: TableRequest, table: Table | None) -> Drawing:
    """Of the finished table: its rows are the methods, what its mean is of are the tasks."""
    assert table is not None and isinstance(request.figure, CriticalDifferenceFigure)
    tasks = request.column(request.figure.mean).mean_of
    names, values, left_out = [], [], []
    for row in rows_by_key(table):
        cells = [cell for key in tasks if isinstance(cell := row[key], Measured)]
        name = str(row[request.figure.methods])
        if len(cells) == len(tasks):
            names.append(name)
            values.append([cell.value for cell in cells])
        elif cells:
            left_out.append(name)
    found = rank_test(
        np.array(values).reshape(len(names), len(tasks)).T, level=request.figure.level
    )
    return Drawing(critical_difference_figure(names, found, table.title, left_out))


def critical_difference_figure(
    names: Sequence[str], found: RankTest | None, title: str, left_out: Sequence[str] = ()
) -> Figure:
    """Demšar's diagram: mean ranks on a line, methods that do not differ joined by bars.

    Args:
        names: of the methods.
        found: their ranks; None where there are too few to rank.
        title: of the figure.
        left_out: methods that were not judged on every task.
    """
    with style():
        if found is None:
            figure = Figure(figsize=(7.2, 1.5))
            text = (
                f"Ranks need {FEWEST_METHODS} methods that were judged on the same "
                f"{FEWEST_TASKS} tasks or more."
            )
            figure.text(0.5, 0.35, text, ha="center", color=MUTED)
        else:
            figure = _diagram(names, found)
            _explain(figure, found, left_out)
        figure.suptitle(textwrap.fill(title, 80))
    return figure


def _diagram(names: Sequence[str], found: RankTest) -> Figure:
    groups, half = found.alike(), (len(names) + 1) // 2
    first_name = FIRST_BAR + BAR * max(len(groups) - 1, 0) + NAMES
    depth = first_name + NAME * half
    figure = Figure(figsize=(7.2, 1.5 + 0.42 * (depth + 1.7)))
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set(xlim=(1, len(names)), ylim=(depth, -1.7))
    _scale(axes, len(names), found)
    order = sorted(range(len(names)), key=lambda one: (found.ranks[one], one))
    for place, method in enumerate(order):
        left = place < half
        down = first_name + NAME * (place if left else len(names) - 1 - place)
        _name(axes, names[method], found.ranks[method], down, len(names), left=left)
    for number, group in enumerate(groups):
        ends = [found.ranks[group[0]], found.ranks[group[-1]]]
        down = FIRST_BAR + BAR * number
        axes.plot(ends, [down, down], color=COLOURS[5], linewidth=4, solid_capstyle="round")
    return figure


def _scale(axes: Axes, methods: int, found: RankTest) -> None:
    """The line of ranks, and above it the length of the critical difference."""
    axes.plot([1, methods], [0, 0], color="#111111", linewidth=1, clip_on=False)
    for rank in range(1, methods + 1):
        axes.plot([rank, rank], [0, -0.15], color="#111111", linewidth=1, clip_on=False)
        axes.text(rank, -0.25, str(rank), ha="center", va="bottom")
    end = min(1 + found.difference, methods)
    axes.plot([1, end], [-1.3, -1.3], color=COLOURS[5], linewidth=4, solid_capstyle="butt")
    more = " (longer than the line)" if 1 + found.difference > methods else ""
    axes.text(1, -1.42, f"critical difference {found.difference:.2f}{more}", ha="left", va="bottom")


def _name(axes: Axes, name: str, rank: float, down: float, methods: int, *, left: bool) -> None:
    """A line from the rank down and out to the method's name."""
    pad = 0.03 * (methods - 1)
    edge = 1 - pad if left else methods + pad
    axes.plot([rank, rank, edge], [0, down, down], color=COLOURS[0], linewidth=1, clip_on=False)
    text = f"{shortened(name)}  {rank:.2f}" if left else f"{rank:.2f}  {shortened(name)}"
    axes.text(
        edge + (-pad if left else pad) / 3,
        down,
        text,
        ha="right" if left else "left",
        va="center",
    )


def _explain(figure: Figure, found: RankTest, left_out: Sequence[str]) -> None:
    p = f"p = {found.p:.3f}" if found.p >= 0.001 else "p < 0.001"
    lines = [
        f"Mean rank over {found.tasks} tasks, 1 is the best; bars join what Nemenyi's test at "
        f"{found.level:.0%} does not tell apart.",
        f"Friedman's test: χ² = {found.statistic:.2f}, {len(found.ranks) - 1} degrees of freedom, "
        f"{p}.",
    ]
    if found.left_out:
        lines.append(f"{found.left_out} tasks on which a method was not judged are left out.")
    if left_out:
        lines.append(textwrap.fill(f"Not judged on every task: {', '.join(left_out)}.", 100))
    figure.supxlabel("\n".join(lines), fontsize=8, color=MUTED)
