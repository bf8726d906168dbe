"""The outlines of the eleven body plans of the world `arbor`, in a body's own coordinates.

A body fills about [-1, 1] x [-1, 1]; y runs along its axis, to the head or the tip. Every call
draws an individual: legs, petals and lobes are never twice the same.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nicheclip.synthetic.arbor_traits import Plan, Traits

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


def body(traits: Traits, rng: np.random.Generator) -> list[Part]:
    """The parts of one individual, from the back to the front."""
    return _BODIES[traits.plan](traits, rng)


def _ellipse(x: float, y: float, rx: float, ry: float, turn: float = 0.0) -> Floats:
    angle = np.linspace(0, 2 * np.pi, 2 * ARC, endpoint=False)
    points = np.column_stack([rx * np.cos(angle), ry * np.sin(angle)])
    return _at(_rotate(points, turn), x, y)


def _at(points: ArrayLike, x: float, y: float) -> Floats:
    moved: Floats = np.asarray(points, dtype=float) + np.array([x, y])
    return moved


def _rotate(points: ArrayLike, turn: float) -> Floats:
    cos, sin = np.cos(turn), np.sin(turn)
    turned: Floats = np.asarray(points, dtype=float) @ np.array([[cos, sin], [-sin, cos]])
    return turned


def _leaf(length: float, width: float, turn: float, blunt: float = 0.6) -> Floats:
    """A leaf from the origin to ``length`` along y, turned; a small ``blunt`` is a broad tip."""
    t = np.linspace(0, 1, ARC)
    half = width * np.sin(np.pi * t**blunt)
    right = np.column_stack([half, length * t])
    left = np.column_stack([-half, length * t])[::-1]
    return _rotate(np.concatenate([right, left]), turn)


def _spread(low: float, high: float, proportion: float) -> float:
    return low + (high - low) * proportion


def _crawler(traits: Traits, rng: np.random.Generator) -> list[Part]:
    girth = _spread(0.48, 0.2, traits.elongation)
    head = _spread(0.11, 0.24, traits.head)
    reach = _spread(0.25, 0.62, traits.limb_length)
    width = _spread(0.05, 0.13, traits.limb_width)
    parts = []
    for y in np.linspace(0.35, -0.45, traits.limbs):
        for side in (-1, 1):
            knee = (side * (girth + 0.5 * reach), y + rng.uniform(0.0, 0.22))
            foot = (side * (girth + reach), y + rng.uniform(-0.35, 0.05))
            parts.append(Part(np.array([(0, y), knee, foot]), "dark", width=width))
    for side in (-1, 1):
        feeler = [(0, 0.7), (side * 0.16, 0.92), (side * rng.uniform(0.2, 0.4), 1.1)]
        parts.append(Part(np.array(feeler), "dark", width=0.04))
    return [
        *parts,
        Part(_ellipse(0, -0.3, girth, 0.62), "body", patterned=True),
        Part(_ellipse(0, 0.36, 0.8 * girth, 0.24), "shade"),
        Part(_ellipse(0, 0.52 + head, head, head), "dark"),
    ]


def _swimmer(traits: Traits, rng: np.random.Generator) -> list[Part]:
    girth = _spread(0.5, 0.2, traits.elongation)
    tail = _spread(0.2, 0.5, traits.limb_length)
    t = np.linspace(0, 1, ARC)
    half = girth * np.sin(np.pi * t ** _spread(0.8, 0.55, traits.head)) ** 0.8 + 0.06 * (1 - t)
    y = -0.75 + 1.7 * t
    outline = np.concatenate([np.column_stack([half, y]), np.column_stack([-half, y])[::-1]])
    swing = rng.uniform(-0.12, 0.12)
    fork = [(0, -0.65), (tail + swing, -1.05), (swing, -0.92), (-tail + swing, -1.05)]
    parts = [Part(np.array(fork), "accent")]
    fin = _spread(0.15, 0.4, traits.limb_width)
    for place in np.linspace(0.45, -0.45, traits.limbs):
        at = float(np.interp(place, y, half))
        ridge = [(at * 0.6, place + 0.14), (at + fin, place - 0.12), (at * 0.6, place - 0.16)]
        parts.append(Part(np.array(ridge), "accent"))
    belly = float(np.interp(0.1, y, half))
    pectoral = [(-belly * 0.5, 0.2), (-belly - 0.6 * fin, -0.1), (-belly * 0.5, 0.0)]
    return [
        *parts,
        Part(outline, "body", patterned=True),
        Part(np.array(pectoral), "accent"),
        Part(_ellipse(0.3 * girth, 0.62, 0.09, 0.09), "pale"),
        Part(_ellipse(0.3 * girth, 0.63, 0.05, 0.05), "dark"),
    ]


def _flyer(traits: Traits, rng: np.random.Generator) -> list[Part]:
    reach = _spread(0.75, 1.05, traits.limb_length)
    breadth = _spread(0.22, 0.42, traits.limb_width)
    blunt = _spread(0.6, 1.7, traits.elongation)
    fold = rng.uniform(-0.15, 0.15)
    turns = {1: (1.2,), 2: (0.95, 2.05), 3: (0.75, 1.5, 2.3)}[traits.limbs]
    parts = []
    for number, turn in reversed(list(enumerate(turns))):
        size = reach * 0.85**number
        for side in (-1, 1):
            wing = _leaf(size, size * breadth, -side * (turn + fold), blunt)
            parts.append(Part(_at(wing, 0, 0.15 - 0.15 * number), "body", patterned=True))
    thick = _spread(0.07, 0.14, traits.head)
    for side in (-1, 1):
        feeler = [(0, 0.45), (side * 0.12, 0.7), (side * 0.28, 0.88)]
        parts.append(Part(np.array(feeler), "dark", width=0.035))
    return [
        *parts,
        Part(_ellipse(0, -0.1, thick, 0.55), "dark"),
        Part(_ellipse(0, 0.48, thick, thick), "dark"),
    ]


def _star(traits: Traits, rng: np.random.Generator) -> list[Part]:
    core = _spread(0.18, 0.5, traits.head)
    slim = _spread(0.7, 2.2, 1 - traits.limb_width)
    angle = np.linspace(0, 2 * np.pi, traits.limbs * 10, endpoint=False)
    lengths = rng.uniform(0.85, 1.05, traits.limbs)[
        np.floor(angle / (2 * np.pi) * traits.limbs + 0.5).astype(int) % traits.limbs
    ]
    radius = core + (lengths - core) * np.abs(np.cos(traits.limbs * angle / 2)) ** (2 * slim)
    outline = np.column_stack([radius * np.sin(angle), radius * np.cos(angle)])
    return [
        Part(outline, "body", patterned=True),
        Part(_ellipse(0, 0, 0.3 * core, 0.3 * core), "accent"),
    ]


def _drifter(traits: Traits, rng: np.random.Generator) -> list[Part]:
    height = _spread(0.4, 0.85, traits.elongation)
    width = _spread(0.06, 0.16, traits.limb_width)
    length = _spread(0.6, 1.15, traits.limb_length)
    parts = []
    for x in np.linspace(-0.55, 0.55, traits.limbs):
        t = np.linspace(0, 1, 8)
        wave = 0.1 * np.sin(rng.uniform(5, 8) * t + rng.uniform(0, 6)) * t
        end = 0.15 - length * rng.uniform(0.8, 1.0) * t
        parts.append(Part(np.column_stack([x + wave, end]), "accent", width=width))
    angle = np.linspace(0, np.pi, 2 * ARC)
    dome = np.column_stack([0.75 * np.cos(angle), 0.05 + height * np.sin(angle)])
    scallop = np.linspace(-0.75, 0.75, 2 * ARC)
    rim = np.column_stack([scallop, 0.05 - 0.1 * np.abs(np.sin(scallop * 9))])
    return [*parts, Part(np.concatenate([dome, rim]), "body", patterned=True)]


def _bloom(traits: Traits, rng: np.random.Generator) -> list[Part]:
    reach = _spread(0.5, 0.72, traits.limb_length)
    breadth = _spread(0.5, 1.15, traits.limb_width) * np.pi * reach / traits.limbs / 1.6
    disc = _spread(0.12, 0.3, traits.head)
    blunt = _spread(0.5, 1.5, traits.elongation)
    sway = rng.uniform(-0.2, 0.2)
    stem = np.array([(0, 0.25), (0.4 * sway, -0.4), (sway, -1.15)])
    parts = [Part(stem, "stem", width=0.09)]
    for side in (-1, 1):
        leaf = _leaf(rng.uniform(0.4, 0.6), 0.11, side * rng.uniform(-1.4, -0.8))
        parts.append(Part(_at(leaf, 0.6 * sway, rng.uniform(-0.9, -0.6)), "stem"))
    start = rng.uniform(0, 2 * np.pi)
    for number in range(traits.limbs):
        turn = start + 2 * np.pi * number / traits.limbs + rng.normal(0, 0.06)
        petal = _leaf(reach * rng.uniform(0.92, 1.05), breadth, turn, blunt)
        paint: Paint = "body" if number % 2 else "shade"
        parts.append(Part(_at(petal, 0, 0.3), paint, patterned=True))
    return [*parts, Part(_ellipse(0, 0.3, disc, disc), "accent")]


def _frond(traits: Traits, rng: np.random.Generator) -> list[Part]:
    reach = _spread(0.4, 0.8, traits.limb_length)
    breadth = _spread(0.05, 0.13, traits.limb_width)
    lean = _spread(1.35, 0.7, traits.elongation)
    curl = rng.uniform(-0.25, 0.25)
    height = np.linspace(-1.05, 1.0, 10)
    parts = [Part(np.column_stack([curl * height**2, height]), "stem", width=0.07)]
    for y in np.linspace(-0.6, 0.85, traits.limbs):
        size = reach * (1.1 - 0.7 * (y + 0.6) / 1.45)
        for side in (-1, 1):
            leaf = _leaf(size, breadth, -side * (lean + rng.normal(0, 0.08)), 0.8)
            parts.append(Part(_at(leaf, curl * y**2, y), "body", patterned=True))
    tip = _at(_leaf(0.3, breadth, 0.0), curl * 0.8, 0.85)
    return [*parts, Part(tip, "body", patterned=True)]


def _rosette(traits: Traits, rng: np.random.Generator) -> list[Part]:
    breadth = _spread(0.12, 0.3, traits.limb_width)
    blunt = _spread(0.6, 1.8, traits.elongation)
    parts = []
    start = rng.uniform(0, 2 * np.pi)
    for ring, size in enumerate((1.0, 0.7, 0.42)):
        paint: Paint = "shade" if ring % 2 else "body"
        for number in range(traits.limbs):
            turn = start + 2 * np.pi * (number + ring / 2) / traits.limbs + rng.normal(0, 0.05)
            leaf = _leaf(size * rng.uniform(0.93, 1.04), size * breadth, turn, blunt)
            parts.append(Part(leaf, paint, patterned=True))
    heart = _spread(0.08, 0.2, traits.head)
    return [*parts, Part(_ellipse(0, 0, heart, heart), "accent")]


def _cap(traits: Traits, rng: np.random.Generator) -> list[Part]:
    parts = []
    places = {1: (0.0,), 2: (-0.4, 0.35), 3: (-0.55, 0.5, 0.0)}[traits.limbs]
    for number, x in enumerate(places):
        size = (1.0 if traits.limbs == 1 else 0.75) * rng.uniform(0.85, 1.0)
        base = -1.0 + 0.1 * number * rng.uniform(-1, 1)
        x += rng.uniform(-0.06, 0.06)
        parts += _mushroom(traits, size, x, base, rng.uniform(-0.15, 0.15))
    return parts


def _mushroom(traits: Traits, size: float, x: float, base: float, lean: float) -> list[Part]:
    thick = size * _spread(0.09, 0.22, traits.limb_width)
    stalk = size * _spread(0.7, 1.3, traits.limb_length)
    half = size * _spread(0.45, 0.85, traits.head)
    height = size * _spread(0.3, 0.8, traits.elongation)
    top = base + stalk
    stem = [(-thick * 1.3, base), (thick * 1.3, base), (thick, top + 0.1), (-thick, top + 0.1)]
    angle = np.linspace(0, np.pi, 2 * ARC)
    dome = np.column_stack([half * np.cos(angle), height * np.sin(angle)])
    rim = np.column_stack([half * np.cos(angle[::-1]), -0.12 * size * np.sin(angle)])
    shift = np.array([x + lean, top])
    bent = _at(stem, x, 0)
    bent[2:, 0] += lean
    return [
        Part(bent, "pale"),
        Part(rim + shift, "dark"),
        Part(dome + shift, "body", patterned=True),
        Part(rim * (0.96, 0.5) + shift, "accent"),
    ]


def _fan(traits: Traits, rng: np.random.Generator) -> list[Part]:
    opening = _spread(0.75, 1.4, traits.limb_width)
    parts: list[Part] = []
    for number in range(traits.limbs):
        base = -0.8 + 0.42 * number * _spread(0.7, 1.0, traits.limb_length)
        size = (1.45, 1.2, 1.05, 0.95)[traits.limbs - 1] * rng.uniform(0.85, 1.05)
        turn = (0.0 if traits.limbs == 1 else 0.45 * (-1) ** number) + rng.normal(0, 0.1)
        angle = np.linspace(-opening, opening, 2 * ARC)
        ruffle = _spread(0.0, 0.14, traits.head)
        radius = size * (1 - ruffle * np.abs(np.sin(angle * _spread(5, 9, traits.elongation))))
        edge = np.column_stack([radius * np.sin(angle), radius * np.cos(angle)])
        root = np.array([(0.08, 0.0), (-0.08, 0.0)])
        lobe = _rotate(np.concatenate([root[:1], edge[::-1], root[1:]]), turn)
        rim = Part(_at(1.05 * lobe, 0, base), "pale")
        # the topmost lobe lies at the back
        parts = [rim, Part(_at(lobe, 0, base), "body", patterned=True), *parts]
    return parts


def _coral(traits: Traits, rng: np.random.Generator) -> list[Part]:
    width = _spread(0.12, 0.26, traits.limb_width)
    spread = _spread(0.8, 0.35, traits.elongation)
    forks = 2 if traits.head < 0.5 else 3
    parts = []
    for x in np.linspace(-0.3, 0.3, traits.limbs):
        turn = -x * 1.5 + rng.normal(0, 0.1)
        first = _spread(0.6, 0.95, traits.limb_length)
        buds = [(np.array([x, -1.0]), turn, first, width)]
        for level in range(3):
            grown = []
            for start, turn, length, thick in buds:
                end = start + length * np.array([-np.sin(turn), np.cos(turn)])
                parts.append(Part(np.array([start, end]), "body", level < 2, width=thick))
                fans = np.linspace(-spread, spread, forks) + rng.normal(0, 0.1, forks)
                grown += [(end, turn + fan, 0.58 * length, 0.72 * thick) for fan in fans]
            buds = grown
        tips = np.array([start for start, *_ in buds])
        parts += [Part(_ellipse(tx, ty, 0.05, 0.05), "accent") for tx, ty in tips[::forks]]
    return parts


_BODIES: Mapping[Plan, Callable[[Traits, np.random.Generator], list[Part]]] = MappingProxyType(
    {
        "crawler": _crawler,
        "swimmer": _swimmer,
        "flyer": _flyer,
        "star": _star,
        "drifter": _drifter,
        "bloom": _bloom,
        "frond": _frond,
        "rosette": _rosette,
        "cap": _cap,
        "fan": _fan,
        "coral": _coral,
    }
)
