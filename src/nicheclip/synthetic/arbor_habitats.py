"""Backgrounds of the world `arbor`: a soft ground in two colours and clutter lying on it."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import aggdraw
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nicheclip.synthetic.arbor_traits import Habitat

Floats = NDArray[np.float64]
Litter = Literal["blade", "pebble", "leaf", "bubble"]
Rgb = tuple[float, float, float]

PATCHES = 6  # edge of the grid whose smooth enlargement mixes the two colours


@dataclass(frozen=True)
class Ground:
    """What a habitat looks like. Colours are RGB in [0, 1]."""

    low: Rgb
    high: Rgb
    litter: Litter
    litter_colours: tuple[Rgb, Rgb]
    pieces: int
    """Of litter, on average."""


GROUNDS: Mapping[Habitat, Ground] = MappingProxyType(
    {
        "marsh": Ground(
            low=(0.16, 0.22, 0.18),
            high=(0.36, 0.42, 0.30),
            litter="blade",
            litter_colours=((0.30, 0.36, 0.16), (0.50, 0.50, 0.30)),
            pieces=12,
        ),
        "forest": Ground(
            low=(0.20, 0.15, 0.10),
            high=(0.40, 0.30, 0.20),
            litter="leaf",
            litter_colours=((0.50, 0.34, 0.16), (0.30, 0.32, 0.14)),
            pieces=16,
        ),
        "dune": Ground(
            low=(0.66, 0.56, 0.40),
            high=(0.84, 0.76, 0.60),
            litter="pebble",
            litter_colours=((0.60, 0.50, 0.38), (0.80, 0.74, 0.66)),
            pieces=8,
        ),
        "reef": Ground(
            low=(0.08, 0.28, 0.40),
            high=(0.30, 0.54, 0.60),
            litter="bubble",
            litter_colours=((0.50, 0.72, 0.76), (0.60, 0.42, 0.46)),
            pieces=9,
        ),
        "meadow": Ground(
            low=(0.24, 0.38, 0.14),
            high=(0.50, 0.60, 0.28),
            litter="blade",
            litter_colours=((0.30, 0.50, 0.16), (0.56, 0.66, 0.30)),
            pieces=22,
        ),
        "rock": Ground(
            low=(0.34, 0.34, 0.36),
            high=(0.60, 0.58, 0.56),
            litter="pebble",
            litter_colours=((0.46, 0.46, 0.48), (0.68, 0.66, 0.62)),
            pieces=16,
        ),
    }
)


def background(
    habitat: Habitat, size: int, rng: np.random.Generator, *, clutter: float
) -> Image.Image:
    """A picture of ``habitat``, ``size`` pixels wide, with ``clutter`` times its usual litter."""
    ground = GROUNDS[habitat]
    shift = rng.normal(0, 0.05 * clutter, 3)
    mix = smooth_field(PATCHES, size, rng)[..., None]
    low, high = np.array(ground.low) + shift, np.array(ground.high) + shift
    pixels = (255 * np.clip(low + (high - low) * mix, 0, 1)).astype(np.uint8)
    image = Image.fromarray(pixels)
    scatter(image, habitat, round(ground.pieces * clutter * rng.uniform(0.5, 1.5)), rng)
    return image


def scatter(
    image: Image.Image,
    habitat: Habitat,
    pieces: int,
    rng: np.random.Generator,
    *,
    scale: float = 1.0,
) -> None:
    """Draw ``pieces`` of a habitat's litter on ``image``, ``scale`` times the usual size."""
    ground = GROUNDS[habitat]
    size = image.width
    drawing = aggdraw.Draw(image)
    one, other = np.array(ground.litter_colours)
    tints = one + (other - one) * rng.random((pieces, 1)) + rng.normal(0, 0.06, (pieces, 1))
    places, turns = rng.random((pieces, 1, 2)), rng.random(pieces)
    outlines = places + _pieces(ground.litter, scale * rng.uniform(0.5, 1.4, pieces), turns)
    vertices = (outlines * size).reshape(pieces, -1).tolist()
    colours = (255 * np.clip(tints, 0, 1)).astype(int).tolist()
    for outline, colour in zip(vertices, map(tuple, colours), strict=True):
        if ground.litter == "bubble":
            drawing.polygon(outline, aggdraw.Pen(colour, 0.012 * size, 170))
        else:
            drawing.polygon(outline, aggdraw.Pen("black", 0), aggdraw.Brush(colour))
    drawing.flush()


def smooth_field(cells: int, size: int, rng: np.random.Generator) -> Floats:
    """A random field in [0, 1], [size, size], with ``cells`` hills and hollows a side."""
    grid = (255 * rng.random((cells, cells))).astype(np.uint8)
    enlarged = Image.fromarray(grid).resize((size, size), Image.Resampling.BICUBIC)
    field: Floats = np.asarray(enlarged, dtype=float) / 255
    return field


def _pieces(litter: Litter, large: Floats, turns: Floats) -> Floats:
    """Outlines about the origin, in edges of the picture: [pieces, vertices, 2].

    ``large`` [pieces] scales them; ``turns`` [pieces] in [0, 1) turns them, or bends blades.
    """
    size = large[:, None]
    if litter == "blade":
        height = np.array([0.1, -0.3, 0.1]) * size
        x = np.array([-0.013, 0.0, 0.013]) * size
        x[:, 1] += 0.15 * large * (turns - 0.5)
        return np.stack([x, height], axis=-1)
    angle = np.linspace(0, 2 * np.pi, 10, endpoint=False)
    across, along = {"pebble": (0.05, 0.035), "leaf": (0.075, 0.03), "bubble": (0.03, 0.03)}[litter]
    x, y = size * across * np.cos(angle), size * along * np.sin(angle)
    if litter == "leaf":  # pointed at both ends
        y = y * np.abs(np.sin(angle))
    cos, sin = np.cos(2 * np.pi * turns)[:, None], np.sin(2 * np.pi * turns)[:, None]
    return np.stack([x * cos - y * sin, x * sin + y * cos], axis=-1)
