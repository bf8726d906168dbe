"""The look of all figures, and how they are written: same figure, same bytes."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from nicheclip.runtime.files import atomic_path

#: Okabe and Ito's colours, which readers with colour blindness can tell apart
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
RIGHT = "#1B7F4B"
WRONG = "#C0392B"
MUTED = "#6B7280"

#: of a share of the figure's width or height, so far below a pixel
_PLACE_DIGITS = 6

#: characters that XML has no way to write, not even as a number
_NOT_IN_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")

_SETTINGS: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": "#9CA3AF",
    "axes.grid": False,
    "axes.labelcolor": "#1F2937",
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "figure.constrained_layout.use": True,
    "figure.dpi": 100,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "grid.color": "#E5E7EB",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "savefig.dpi": 160,
    "svg.fonttype": "path",
    "svg.hashsalt": "nicheclip",
    "text.parse_math": False,
    "xtick.color": "#374151",
    "ytick.color": "#374151",
}


@contextmanager
def style() -> Iterator[None]:
    """Matplotlib with the settings of this house and no others, whatever the user's own are."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        yield


def save_figure(figure: Figure, base: Path) -> list[Path]:
    """Write ``<base>.svg`` and ``<base>.png``; returns both paths."""
    paths = [base.with_name(f"{base.name}.{suffix}") for suffix in ("svg", "png")]
    metadata = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}
    with style():
        _settle_layout(figure)
        for path in paths:
            kind = path.suffix[1:]
            with atomic_path(path) as temporary:
                figure.savefig(temporary, format=kind, metadata=metadata[kind], facecolor="white")
                if kind == "svg":
                    _make_valid(temporary)
    return paths


def _make_valid(svg: Path) -> None:
    """Replace what XML cannot hold, such as control characters in the names of classes."""
    text = svg.read_text(encoding="utf-8")
    if _NOT_IN_XML.search(text):
        svg.write_text(_NOT_IN_XML.sub("\ufffd", text), encoding="utf-8", newline="")


def _settle_layout(figure: Figure) -> None:
    """Lay out once and round the places of the axes, which the solver does not repeat exactly.

    Its last digits depend on where objects lie in memory, and go into the names that an SVG file
    gives its clip paths.
    """
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for part in figure.subfigs:
        part.bbox_relative.set_points(part.bbox_relative.get_points().round(_PLACE_DIGITS))
    for axes in figure.axes:
        corners = axes.get_position(original=True).get_points()
        axes.set_position(Bbox(corners.round(_PLACE_DIGITS)))


def grid(axes: Axes, *, axis: str = "y") -> None:
    """Thin lines behind the data along ``axis``."""
    axes.grid(True, axis=axis)  # type: ignore[arg-type]


def shortened(text: str, most: int = 28) -> str:
    """``text``, with its middle left out when it is longer than ``most`` characters."""
    if len(text) <= most:
        return text
    head = (most - 1) // 2
    return f"{text[:head].rstrip()}…{text[len(text) - (most - 1 - head) :].lstrip()}"
