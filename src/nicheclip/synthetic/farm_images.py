"""Pictures of the classes of `farm`: a ground, a body with its marks, a light.

A body is outlines in its own coordinates, about [-1, 1] x [-1, 1], x to the right and y up. It is
drawn several times larger and averaged down.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from nicheclip.synthetic.arbor_habitats import background, smooth_field
from nicheclip.synthetic.arbor_traits import Habitat
from nicheclip.synthetic.farm_bodies import OUTLINES, Outline, leaf_half_width
from nicheclip.synthetic.farm_classes import FarmClass, Form, Pattern
from nicheclip.synthetic.raster import Pixels

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

SMALLEST_DRAWING = 96
"""Pictures with a shorter edge (pixels) are drawn at the first multiple that is not shorter."""
COLOURS: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {
        "green": (0.28, 0.55, 0.22),
        "yellow": (0.90, 0.80, 0.22),
        "brown": (0.44, 0.26, 0.14),
        "white": (0.94, 0.93, 0.90),
        "black": (0.10, 0.09, 0.10),
        "cream": (0.90, 0.80, 0.60),
        "red": (0.72, 0.20, 0.16),
        "silver": (0.70, 0.73, 0.76),
        "blue": (0.18, 0.36, 0.72),
        "orange": (0.94, 0.56, 0.14),
    }
)
GROUNDS: Mapping[Form, tuple[Habitat, ...]] = MappingProxyType(
    {
        "leaf": ("forest", "dune", "marsh"),
        "beast": ("marsh", "dune", "forest"),
        "fish": ("reef", "dune"),
        "fruit": ("forest", "dune", "reef"),
    }
)
TILT: Mapping[Form, float] = MappingProxyType(
    {"leaf": 1.2, "beast": 0.12, "fish": 0.35, "fruit": 3.1}
)
"""Largest turn of a body, in radians."""


@dataclass(frozen=True)
class _Pose:
    centre: Floats
    scale: Floats
    """Of x and y, in edges; x is negative for a mirrored body."""
    turn: float

    def place(self, points: Floats) -> Floats:
        """Body coordinates [n, 2] in edges of the picture, y down."""
        x, y = (points * self.scale).T
        cos, sin = math.cos(self.turn), math.sin(self.turn)
        return np.column_stack(
            [self.centre[0] + x * cos - y * sin, self.centre[1] - x * sin - y * cos]
        )

    def body_coordinates(self, size: int) -> tuple[Floats, Floats]:
        """Where in the body each pixel lies: (x, y), each [size, size]."""
        place = (np.arange(size) + 0.5) / size
        right, up = place[None] - self.centre[0], self.centre[1] - place[:, None]
        cos, sin = math.cos(self.turn), math.sin(self.turn)
        return (
            (right * cos + up * sin) / self.scale[0],
            (up * cos - right * sin) / self.scale[1],
        )


def draw_farm(one: FarmClass, *, size: int, rng: np.random.Generator) -> Pixels:
    """Draw an individual of a class, ``size`` pixels wide: uint8 RGB [size, size, 3]."""
    times = max(1, math.ceil(SMALLEST_DRAWING / size))
    edge = size * times
    grounds = GROUNDS[one.form]
    scene = background(grounds[int(rng.integers(len(grounds)))], size, rng, clutter=0.8)
    pose = _pose(one.form, rng)
    outlines = OUTLINES[one.form](one.subject, rng)
    ground, mark = (_individual(COLOURS[name], rng) for name in (one.ground, one.mark))
    x, y = pose.body_coordinates(edge)
    marked = _PATTERNS[one.pattern](one, x, y, rng)
    body, covered = np.zeros((edge, edge, 3)), np.zeros((edge, edge), dtype=bool)
    for outline in outlines:
        inside = _filled(outline, pose, edge)
        colour = np.array(outline.colour) if outline.colour else ground * outline.shade
        body[inside] = colour
        if outline.patterned:
            body[inside & marked] = mark
        covered |= inside
    if one.form == "leaf" and one.pattern != "veins":
        body[covered & (np.abs(x) < 0.02)] = 0.75 * ground
    relief = 1 + 0.22 * np.clip(y * rng.choice([-1, 1]) + rng.normal(0, 0.3), -1, 1)
    share = _averaged(covered[..., None].astype(float), times)
    lit = _averaged(body * covered[..., None] * relief[..., None], times)
    pixels = np.asarray(scene, dtype=float) / 255 * (1 - share) + lit
    gain = np.exp(rng.normal(0, 0.12) + rng.normal(0, 0.05, 3))
    grain = rng.normal(0, rng.uniform(0.01, 0.035), pixels.shape)
    return (255 * np.clip(pixels * gain + grain, 0, 1)).astype(np.uint8)


def _pose(form: Form, rng: np.random.Generator) -> _Pose:
    scale = rng.uniform(0.33, 0.44) * rng.uniform(0.88, 1.0, 2)
    scale[0] *= rng.choice([-1, 1])
    return _Pose(
        centre=0.5 + rng.uniform(-0.07, 0.07, 2),
        scale=scale,
        turn=float(rng.uniform(-TILT[form], TILT[form])),
    )


def _individual(colour: tuple[float, float, float], rng: np.random.Generator) -> Floats:
    """A colour a little off its class's."""
    return np.clip(np.array(colour) + rng.normal(0, 0.045, 3), 0, 1)


def _filled(outline: Outline, pose: _Pose, edge: int) -> Mask:
    drawing = Image.new("1", (edge, edge))
    points = pose.place(outline.points) * edge
    ImageDraw.Draw(drawing).polygon(points.ravel().tolist(), fill=1)
    return np.asarray(drawing)


def _averaged(pixels: Floats, times: int) -> Floats:
    size = len(pixels) // times
    found: Floats = pixels.reshape(size, times, size, times, -1).mean(axis=(1, 3))
    return found


def _discs(
    x: Floats, y: Floats, rng: np.random.Generator, count: int, radius: tuple[float, float]
) -> Floats:
    """The distance of each pixel to the nearest of some scattered discs, in its radii."""
    # a jittered grid, so that some lie on every body
    side = math.ceil(math.sqrt(count))
    cells = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2)
    centres = (cells + rng.uniform(0.15, 0.85, cells.shape)) / side * 1.7 - 0.85
    radii = rng.uniform(*radius, len(centres))
    found = np.full(x.shape, np.inf)
    for (cx, cy), r in zip(centres, radii, strict=True):
        np.minimum(found, np.hypot(x - cx, y - cy) / r, out=found)
    return found


def _spots(one: FarmClass, x: Floats, y: Floats, rng: np.random.Generator) -> Mask:
    return _discs(x, y, rng, 16, (0.09, 0.15)) < 1


def _rings(one: FarmClass, x: Floats, y: Floats, rng: np.random.Generator) -> Mask:
    distance = _discs(x, y, rng, 9, (0.22, 0.28))
    return (distance < 1) & (distance > 0.55)


def _margin(one: FarmClass, x: Floats, y: Floats, rng: np.random.Generator) -> Mask:
    inner = leaf_half_width(one.subject, y / 0.85) * rng.uniform(0.58, 0.68)
    return np.abs(x) > inner * (1 + 0.1 * np.sin(9 * y + rng.uniform(0, 6)))


def _veins(one: FarmClass, x: Floats, y: Floats, rng: np.random.Generator) -> Mask:
    side = np.sin(rng.uniform(13, 16) * (y - 0.7 * np.abs(x)) + rng.uniform(0, 6)) > 0.72
    return side | (np.abs(x) < 0.055)


def _blotch(one: FarmClass, x: Floats, y: Floats, rng: np.random.Generator) -> Mask:
    angle, far = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.45)
    across, along = x - 0.5 * far * math.cos(angle), y - far * math.sin(angle)
    wobble = 1 + 0.2 * np.sin(4 * np.arctan2(along, across) + rng.uniform(0, 6))
    return np.hypot(across, along) < rng.uniform(0.38, 0.5) * wobble


def _cracks(one: FarmClass, x: Floats, y: Floats, rng: np.random.Generator) -> Mask:
    height = smooth_field(5, len(x), rng)
    return np.abs(height - np.median(height)) < 0.035


def _patched(one: FarmClass, x: Floats, y: Floats, rng: np.random.Generator) -> Mask:
    height = smooth_field(7, len(x), rng)
    return height > np.quantile(height, rng.uniform(0.5, 0.6))


def _striped(one: FarmClass, x: Floats, y: Floats, rng: np.random.Generator) -> Mask:
    """Up and down on a coat, lengthwise on a fish."""
    along, often = (y, 11.0) if one.form == "fish" else (x, 15.0)
    return np.sin(often * along + 0.7 * np.sin(3 * y + x) + rng.uniform(0, 6)) > 0.1


def _dappled(one: FarmClass, x: Floats, y: Floats, rng: np.random.Generator) -> Mask:
    return _discs(x, y, rng, 64, (0.065, 0.095)) < 1


def _belted(one: FarmClass, x: Floats, y: Floats, rng: np.random.Generator) -> Mask:
    middle = rng.uniform(-0.15, 0.05)
    return np.abs(x - middle + 0.1 * y) < rng.uniform(0.2, 0.26)


def _barred(one: FarmClass, x: Floats, y: Floats, rng: np.random.Generator) -> Mask:
    return np.sin(rng.uniform(9.5, 11) * x + 0.5 * y + rng.uniform(0, 6)) > 0.25


def _saddled(one: FarmClass, x: Floats, y: Floats, rng: np.random.Generator) -> Mask:
    return y > rng.uniform(0.0, 0.08) + 0.04 * np.sin(8 * x + rng.uniform(0, 6))


_Draw = Callable[[FarmClass, Floats, Floats, np.random.Generator], Mask]
_PATTERNS: Mapping[Pattern, _Draw] = MappingProxyType(
    {
        "spots": _spots,
        "spotted": _spots,
        "rings": _rings,
        "margin": _margin,
        "veins": _veins,
        "blotch": _blotch,
        "cracks": _cracks,
        "patched": _patched,
        "striped": _striped,
        "dappled": _dappled,
        "belted": _belted,
        "barred": _barred,
        "saddled": _saddled,
    }
)
