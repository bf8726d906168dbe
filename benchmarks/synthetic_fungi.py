"""Fungi pictures per second on one core, against matplotlib drawing the same structures.

    PYTHONPATH=src python benchmarks/synthetic_fungi.py [--size 96] [--seconds 3]

matplotlib draws each picture's branches as one LineCollection straight at the final size, the
fastest way that it has. (The published generator makes one Line2D per branch, at 2310 pixels.)
"""

import argparse
import time
from collections.abc import Callable, Sequence

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.collections import LineCollection, PatchCollection

from nicheclip.synthetic.fungi import (
    BRANCH_OPACITY,
    CLASSES,
    FIGURE_POINTS,
    Structures,
    draw_stage,
    grow_stage,
    render,
)
from nicheclip.synthetic.raster import Pixels

DIFFERENT_PICTURES = 8


def draw_with_matplotlib(groups: Sequence[Structures], size: int) -> Pixels:
    """The same picture as `render` draws, by matplotlib."""
    inches = FIGURE_POINTS / 72
    figure = pyplot.figure(figsize=(inches, inches), dpi=size / inches)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.axis("off")
    for group in groups:
        discs = [pyplot.Circle((x, y), group.disc_radius) for x, y in group.centres]
        axes.add_collection(PatchCollection(discs, color=group.colours))
    for group in groups:
        if group.branches is not None:
            lines = LineCollection(
                group.branches.segments.reshape(-1, 2, 2),
                linewidths=group.branches.widths,
                colors=group.colours[group.branches.structure],
                alpha=BRANCH_OPACITY,
                capstyle="projecting",
            )
            axes.add_collection(lines, autolim=False)
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()
    pyplot.close(figure)
    return pixels


def rate(draw: Callable[[int], object], seconds: float) -> float:
    """Calls of ``draw`` per second, over at least ``seconds``; it gets 0, 1, 2, ... in turn."""
    draw(0)
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        draw(count % DIFFERENT_PICTURES)
        count += 1
    return count / (time.perf_counter() - start)


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=96, help="edge in pixels")
    parser.add_argument("--seconds", type=float, default=3.0, help="per measurement")
    options = parser.parse_args()
    size = options.size
    print(f"Pictures per second, one core, {size} pixels. Drawing: structures already grown.\n")
    print("| stage | branches | grow and draw | draw | matplotlib draws | ratio (draw) |")
    print("|---|--:|--:|--:|--:|--:|")
    for stage in CLASSES:
        grown = [grow_stage(stage, np.random.default_rng(i)) for i in range(DIFFERENT_PICTURES)]
        branches = np.mean(
            [sum(len(g.branches.widths) for g in groups if g.branches) for groups in grown]
        )

        def whole(i: int) -> object:
            rng = np.random.default_rng(i)
            return draw_stage(stage, size=size, rng=rng, temperature="paper")  # noqa: B023

        def ours(i: int) -> object:
            return render(grown[i], size=size, points_per_edge=FIGURE_POINTS)  # noqa: B023

        def peer(i: int) -> object:
            return draw_with_matplotlib(grown[i], size)  # noqa: B023

        both, drawn, by_peer = (rate(draw, options.seconds) for draw in (whole, ours, peer))
        print(
            f"| {stage} | {branches:,.0f} | {both:.0f} | {drawn:.0f} | {by_peer:.1f} "
            f"| {drawn / by_peer:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
