"""An anti-aliased drawing of discs and line segments on the unit square.

Anti-Grain Geometry (through aggdraw) computes the exact area that each shape covers of each pixel
and blends 8-bit colours. Shapes far thinner than a pixel would be rounded away by the 8 bits, so
small pictures are drawn larger and averaged down.
"""

import math
from collections.abc import Iterator
from typing import Literal

import aggdraw
import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

SMALLEST_DRAWING = 448
"""Pictures with a shorter edge (pixels) are drawn at the first multiple that is not shorter."""
DISC_VERTICES = 64  # the polygon falls 0.16% short of the circle's area

Pixels = NDArray[np.uint8]
Cap = Literal["butt", "projecting"]


class Canvas:
    """A white square picture; x to the right and y up, both from 0 to 1.

    Colours are RGBA in [0, 1], one row per shape. Shapes are laid over each other in the order in
    which they are drawn. What lies outside the square is cut off.
    """

    def __init__(self, size: int, *, points_per_edge: float = 720.0) -> None:
        """``size``: edge in pixels. ``points_per_edge``: edge in points (720: a 10-inch figure)."""
        self._reduction = max(1, math.ceil(SMALLEST_DRAWING / size))
        self._edge = size * self._reduction
        self._point = self._edge / points_per_edge
        self._drawing = aggdraw.Draw("RGB", (self._edge, self._edge), "white")

    def discs(
        self, centres: ArrayLike, radii: ArrayLike, colours: ArrayLike, *, outline: float = 0.0
    ) -> None:
        """Fill discs: ``centres`` [n, 2] and ``radii`` [n] in edges, ``colours`` [n, 4].

        An outline of ``outline`` points in the disc's own colour adds half of it to the radius.
        """
        angles = np.linspace(0, 2 * math.pi, DISC_VERTICES, endpoint=False)
        circle = np.column_stack([np.cos(angles), np.sin(angles)])
        centre_rows = np.asarray(centres, dtype=float).reshape(-1, 1, 2)
        reach = np.asarray(radii, dtype=float) + outline / 2 * self._point / self._edge
        outlines = centre_rows + reach.reshape(-1, 1, 1) * circle
        # Without a pen, or with an invisible one, aggdraw swells the filled area by half a pen.
        no_outline = aggdraw.Pen("black", 0)
        for vertices, (colour, opacity) in zip(
            self._to_pixels(outlines), _to_bytes(colours), strict=True
        ):
            self._drawing.polygon(vertices, no_outline, aggdraw.Brush(colour, opacity))

    def lines(
        self, segments: ArrayLike, widths: ArrayLike, colours: ArrayLike, *, cap: Cap = "butt"
    ) -> None:
        """Draw ``segments`` [n, 4] (x0, y0, x1, y1) of ``widths`` [n] points, ``colours`` [n, 4].

        A projecting cap makes a line longer by half its width at both ends.
        """
        ends = np.asarray(segments, dtype=float).reshape(-1, 2, 2)
        pens = self._point * np.asarray(widths, dtype=float)
        if cap == "projecting":
            ends = _prolonged(ends, pens / 2 / self._edge)
        for vertices, width, (colour, opacity) in zip(
            self._to_pixels(ends), pens.tolist(), _to_bytes(colours), strict=True
        ):
            self._drawing.line(vertices, aggdraw.Pen(colour, width, opacity))

    def pixels(self) -> Pixels:
        """The picture as RGB, uint8 [size, size, 3]; the first row is the top."""
        image = Image.frombytes("RGB", (self._edge, self._edge), self._drawing.tobytes())
        return np.asarray(image.reduce(self._reduction))

    def _to_pixels(self, points: NDArray[np.float64]) -> Iterator[tuple[float, ...]]:
        """[n, vertices, 2] in edges, y up, to flat rows of pixels, y down."""
        flipped = np.stack([points[..., 0], 1 - points[..., 1]], axis=-1) * self._edge
        # a list for each column, not for each of ten thousand rows
        return zip(*flipped.reshape(len(points), 2 * points.shape[1]).T.tolist(), strict=True)


def _prolonged(ends: NDArray[np.float64], by: NDArray[np.float64]) -> NDArray[np.float64]:
    along = ends[:, 1] - ends[:, 0]
    length = np.linalg.norm(along, axis=1)
    step = along * (by / np.maximum(length, np.finfo(float).tiny))[:, None]
    return np.stack([ends[:, 0] - step, ends[:, 1] + step], axis=1)


def _to_bytes(colours: ArrayLike) -> list[tuple[tuple[int, ...], int]]:
    """RGBA rows in [0, 1] as ((red, green, blue), opacity), 0 to 255."""
    rows = np.rint(np.asarray(colours, dtype=float).reshape(-1, 4) * 255).astype(np.uint8)
    # many shapes share few colours: four bytes are one number
    _, first, places = np.unique(rows.view(np.uint32), return_index=True, return_inverse=True)
    known = [(tuple(row[:3]), row[3]) for row in rows[first].tolist()]
    return [known[place] for place in places.ravel().tolist()]
