"""Shapes that the bodies of the world `arbor` are made of, in a body's own coordinates."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Paint = Literal["body", "shade", "accent", "dark", "pale", "stem"]


ARC = 14  # vertices of a rounded outline's half


@dataclass(frozen=True, eq=False)
class Part:
    """A filled outline, or a stroke along it."""

    points: Floats
    """[n, 2]."""
    paint: Paint
    patterned: bool = False
    """Whether the species' pattern and texture lie on it."""
    width: float = 0.0
    """Of a stroke; 0 fills the outline."""


def ellipse(x: float, y: float, rx: float, ry: float, turn: float = 0.0) -> Floats:
    """An ellipse around (``x``, ``y``): [2 * ARC, 2]."""
    angle = np.linspace(0, 2 * np.pi, 2 * ARC, endpoint=False)
    points = np.column_stack([rx * np.cos(angle), ry * np.sin(angle)])
    return moved_to(rotated(points, turn), x, y)


def moved_to(points: ArrayLike, x: float, y: float) -> Floats:
    """``points`` with their origin at (``x``, ``y``)."""
    moved: Floats = np.asarray(points, dtype=float) + np.array([x, y])
    return moved


def rotated(points: ArrayLike, turn: float) -> Floats:
    """``points`` turned to the left by ``turn`` radians about the origin."""
    cos, sin = np.cos(turn), np.sin(turn)
    turned: Floats = np.asarray(points, dtype=float) @ np.array([[cos, sin], [-sin, cos]])
    return turned


def leaf_outline(length: float, width: float, turn: float, blunt: float = 0.6) -> Floats:
    """A leaf from the origin to ``length`` along y, turned; a small ``blunt`` is a broad tip."""
    t = np.linspace(0, 1, ARC)
    half = width * np.sin(np.pi * t**blunt)
    right = np.column_stack([half, length * t])
    left = np.column_stack([-half, length * t])[::-1]
    return rotated(np.concatenate([right, left]), turn)


def between(low: float, high: float, proportion: float) -> float:
    """``low`` for a ``proportion`` of 0, ``high`` for 1."""
    return low + (high - low) * proportion
