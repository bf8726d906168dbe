"""Outlines of the bodies of the world `farm`: leaves, livestock, fish, fruit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from nicheclip.synthetic.farm_classes import Form

Floats = NDArray[np.float64]
Rgb = tuple[float, float, float]

DARK: Rgb = (0.08, 0.07, 0.07)
STEM: Rgb = (0.40, 0.34, 0.18)


@dataclass(frozen=True, eq=False)
class Outline:
    """A filled outline in body coordinates."""

    points: Floats
    """[n, 2]."""
    patterned: bool = False
    """Whether the class's pattern lies on it."""
    shade: float = 1.0
    """Times the body's colour."""
    colour: Rgb | None = None
    """Instead of the body's."""


#: half the width, and how many lobes deep how far, of a crop's leaf
LEAVES: Mapping[str, tuple[float, float, float, float]] = MappingProxyType(
    {
        "tomato": (0.62, 0.9, 5, 0.32),
        "grape": (0.88, 0.75, 3, 0.22),
        "wheat": (0.24, 1.0, 0, 0.0),
        "banana": (0.42, 0.85, 9, 0.08),
        "bean": (0.74, 0.62, 0, 0.0),
    }
)
LEAF_VERTICES = 40


def leaf_half_width(crop: str, y: Floats) -> Floats:
    """Of a crop's leaf, at heights ``y`` from -1 (stalk) to 1 (tip); 0 beyond them."""
    width, blunt, lobes, deep = LEAVES[crop]
    t = np.clip((y + 1) / 2, 0, 1)
    found: Floats = width * np.sin(np.pi * t**blunt)
    return found * (1 - deep * np.abs(np.sin(np.pi * lobes * t))) if lobes else found


def _leaf(crop: str, rng: np.random.Generator) -> list[Outline]:
    y = np.linspace(-0.85, 0.85, LEAF_VERTICES)
    half = leaf_half_width(crop, y / 0.85) * rng.uniform(0.92, 1.05)
    bend = rng.normal(0, 0.04) * y**2
    blade = np.concatenate(
        [np.column_stack([bend + half, y]), np.column_stack([bend - half, y])[::-1]]
    )
    stalk = np.array([(-0.03, -1.1), (0.03, -1.1), (0.03, -0.8), (-0.03, -0.8)])
    return [Outline(stalk, shade=0.7), Outline(blade, patterned=True)]


def _ellipse(x: float, y: float, rx: float, ry: float, turn: float = 0.0) -> Floats:
    angle = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    cos, sin = np.cos(turn), np.sin(turn)
    across, along = rx * np.cos(angle), ry * np.sin(angle)
    return np.column_stack([x + across * cos - along * sin, y + across * sin + along * cos])


def _beast(subject: str, rng: np.random.Generator) -> list[Outline]:
    """From the side, its head to the right."""
    horse = subject == "horse"
    deep, leg = (0.27, 0.62) if horse else (0.36, 0.45)
    legs = []
    for x in (-0.55, -0.4, 0.3, 0.46):
        foot = x + rng.uniform(-0.1, 0.1)
        low = 0.05 - deep - leg
        points = [(x - 0.08, 0), (x + 0.08, 0), (foot + 0.05, low), (foot - 0.05, low)]
        legs.append(Outline(np.array(points), shade=0.85))
    tail = np.array([(-0.68, 0.22), (-0.82, 0.0), (-0.84, -0.35), (-0.76, -0.3), (-0.7, 0.0)])
    torso = Outline(_ellipse(-0.05, 0.05, 0.7, deep), patterned=True)
    if horse:
        neck = Outline(np.array([(0.3, 0.2), (0.62, 0.8), (0.82, 0.7), (0.6, 0.0)]), patterned=True)
        head = Outline(_ellipse(0.84, 0.66, 0.22, 0.1, -0.6))
        mane = Outline(np.array([(0.3, 0.25), (0.6, 0.9), (0.68, 0.82), (0.45, 0.3)]), colour=DARK)
        return [*legs, Outline(tail, colour=DARK), torso, mane, neck, head]
    head = Outline(_ellipse(0.78, 0.3, 0.2, 0.15, -0.5))
    horns = [
        Outline(np.array([(0.7, 0.4), (x, 0.66), (0.78, 0.42)]), colour=(0.85, 0.8, 0.68))
        for x in (0.62, 0.86)
    ]
    udder = Outline(_ellipse(-0.3, 0.0 - deep, 0.12, 0.09), colour=(0.86, 0.62, 0.58))
    return [*legs, Outline(tail, shade=0.7), udder, torso, *horns, head]


#: half the height of a fish, and of its tail
FISH: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"carp": (0.38, 0.34), "goby": (0.24, 0.22), "bream": (0.56, 0.42)}
)


def _fish(subject: str, rng: np.random.Generator) -> list[Outline]:
    """From the side, its head to the right."""
    half, fork = FISH[subject]
    t = np.linspace(0, 1, 24)
    height = half * np.sin(np.pi * t**0.8) ** 0.85 + 0.05 * (1 - t)
    x = -0.65 + 1.5 * t
    body = np.concatenate([np.column_stack([x, height]), np.column_stack([x, -height])[::-1]])
    swing = rng.uniform(-0.08, 0.08)
    tail = np.array([(-0.55, 0.0), (-1.0, fork + swing), (-0.84, swing), (-1.0, swing - fork)])
    back = np.array([(0.2, 0.8 * half), (-0.05, 1.6 * half), (-0.4, 0.7 * half)])
    belly = np.array([(0.1, -0.8 * half), (-0.1, -1.4 * half), (-0.3, -0.7 * half)])
    fins = [Outline(points, shade=0.75) for points in (tail, back, belly)]
    eye = [Outline(_ellipse(0.58, 0.08, 0.05, 0.05), colour=DARK)]
    return [*fins, Outline(body, patterned=True), *eye]


#: width and height of a fruit, and how much it narrows to the stalk
FRUITS: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {"apple": (0.82, 0.76, 0.05), "pear": (0.66, 0.88, 0.35), "citrus": (0.78, 0.8, 0.0)}
)


def _fruit(subject: str, rng: np.random.Generator) -> list[Outline]:
    wide, high, narrow = FRUITS[subject]
    points = _ellipse(0.0, 0.0, wide * rng.uniform(0.94, 1.04), high)
    points[:, 0] *= 1 - narrow * np.clip(points[:, 1] / high, 0, 1)
    stalk = np.array([(-0.04, 0.7 * high), (0.04, 0.7 * high), (0.1, high + 0.22)])
    return [Outline(stalk, colour=STEM), Outline(points, patterned=True)]


OUTLINES: Mapping[Form, Callable[[str, np.random.Generator], list[Outline]]] = MappingProxyType(
    {"leaf": _leaf, "beast": _beast, "fish": _fish, "fruit": _fruit}
)
"""The outlines of an individual of a subject, from the back to the front."""
