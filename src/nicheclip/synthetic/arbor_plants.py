"""Body plans of what stands still: plants, fungi and corals; see ``arbor_bodies``."""

import numpy as np

from nicheclip.synthetic.arbor_outlines import (
    ARC,
    Paint,
    Part,
    between,
    ellipse,
    leaf_outline,
    moved_to,
    rotated,
)
from nicheclip.synthetic.arbor_traits import Traits


def bloom(traits: Traits, rng: np.random.Generator) -> list[Part]:
    """A flower on its stem."""
    reach = between(0.5, 0.72, traits.limb_length)
    breadth = between(0.5, 1.15, traits.limb_width) * np.pi * reach / traits.limbs / 1.6
    disc = between(0.12, 0.3, traits.head)
    blunt = between(0.5, 1.5, traits.elongation)
    sway = rng.uniform(-0.2, 0.2)
    stem = np.array([(0, 0.25), (0.4 * sway, -0.4), (sway, -1.15)])
    parts = [Part(stem, "stem", width=0.09)]
    for side in (-1, 1):
        leaf = leaf_outline(rng.uniform(0.4, 0.6), 0.11, side * rng.uniform(-1.4, -0.8))
        parts.append(Part(moved_to(leaf, 0.6 * sway, rng.uniform(-0.9, -0.6)), "stem"))
    start = rng.uniform(0, 2 * np.pi)
    for number in range(traits.limbs):
        turn = start + 2 * np.pi * number / traits.limbs + rng.normal(0, 0.06)
        petal = leaf_outline(reach * rng.uniform(0.92, 1.05), breadth, turn, blunt)
        paint: Paint = "body" if number % 2 else "shade"
        parts.append(Part(moved_to(petal, 0, 0.3), paint, patterned=True))
    return [*parts, Part(ellipse(0, 0.3, disc, disc), "accent")]


def frond(traits: Traits, rng: np.random.Generator) -> list[Part]:
    """A stem with pairs of leaflets."""
    reach = between(0.4, 0.8, traits.limb_length)
    breadth = between(0.05, 0.13, traits.limb_width)
    lean = between(1.35, 0.7, traits.elongation)
    curl = rng.uniform(-0.25, 0.25)
    height = np.linspace(-1.05, 1.0, 10)
    parts = [Part(np.column_stack([curl * height**2, height]), "stem", width=0.07)]
    for y in np.linspace(-0.6, 0.85, traits.limbs):
        size = reach * (1.1 - 0.7 * (y + 0.6) / 1.45)
        for side in (-1, 1):
            leaf = leaf_outline(size, breadth, -side * (lean + rng.normal(0, 0.08)), 0.8)
            parts.append(Part(moved_to(leaf, curl * y**2, y), "body", patterned=True))
    tip = moved_to(leaf_outline(0.3, breadth, 0.0), curl * 0.8, 0.85)
    return [*parts, Part(tip, "body", patterned=True)]


def rosette(traits: Traits, rng: np.random.Generator) -> list[Part]:
    """Three rings of leaves around a heart."""
    breadth = between(0.12, 0.3, traits.limb_width)
    blunt = between(0.6, 1.8, traits.elongation)
    parts = []
    start = rng.uniform(0, 2 * np.pi)
    for ring, size in enumerate((1.0, 0.7, 0.42)):
        paint: Paint = "shade" if ring % 2 else "body"
        for number in range(traits.limbs):
            turn = start + 2 * np.pi * (number + ring / 2) / traits.limbs + rng.normal(0, 0.05)
            leaf = leaf_outline(size * rng.uniform(0.93, 1.04), size * breadth, turn, blunt)
            parts.append(Part(leaf, paint, patterned=True))
    heart = between(0.08, 0.2, traits.head)
    return [*parts, Part(ellipse(0, 0, heart, heart), "accent")]


def cap(traits: Traits, rng: np.random.Generator) -> list[Part]:
    """One mushroom, or a group."""
    parts = []
    places = {1: (0.0,), 2: (-0.4, 0.35), 3: (-0.55, 0.5, 0.0)}[traits.limbs]
    for number, x in enumerate(places):
        size = (1.0 if traits.limbs == 1 else 0.75) * rng.uniform(0.85, 1.0)
        base = -1.0 + 0.1 * number * rng.uniform(-1, 1)
        x += rng.uniform(-0.06, 0.06)
        parts += _mushroom(traits, size, x, base, rng.uniform(-0.15, 0.15))
    return parts


def _mushroom(traits: Traits, size: float, x: float, base: float, lean: float) -> list[Part]:
    thick = size * between(0.09, 0.22, traits.limb_width)
    stalk = size * between(0.7, 1.3, traits.limb_length)
    half = size * between(0.45, 0.85, traits.head)
    height = size * between(0.3, 0.8, traits.elongation)
    top = base + stalk
    stem = [(-thick * 1.3, base), (thick * 1.3, base), (thick, top + 0.1), (-thick, top + 0.1)]
    angle = np.linspace(0, np.pi, 2 * ARC)
    dome = np.column_stack([half * np.cos(angle), height * np.sin(angle)])
    rim = np.column_stack([half * np.cos(angle[::-1]), -0.12 * size * np.sin(angle)])
    shift = np.array([x + lean, top])
    bent = moved_to(stem, x, 0)
    bent[2:, 0] += lean
    return [
        Part(bent, "pale"),
        Part(rim + shift, "dark"),
        Part(dome + shift, "body", patterned=True),
        Part(rim * (0.96, 0.5) + shift, "accent"),
    ]


def fan(traits: Traits, rng: np.random.Generator) -> list[Part]:
    """Lobes above each other, as of a bracket fungus."""
    opening = between(0.75, 1.4, traits.limb_width)
    parts: list[Part] = []
    for number in range(traits.limbs):
        base = -0.8 + 0.42 * number * between(0.7, 1.0, traits.limb_length)
        size = (1.45, 1.2, 1.05, 0.95)[traits.limbs - 1] * rng.uniform(0.85, 1.05)
        turn = (0.0 if traits.limbs == 1 else 0.45 * (-1) ** number) + rng.normal(0, 0.1)
        angle = np.linspace(-opening, opening, 2 * ARC)
        ruffle = between(0.0, 0.14, traits.head)
        radius = size * (1 - ruffle * np.abs(np.sin(angle * between(5, 9, traits.elongation))))
        edge = np.column_stack([radius * np.sin(angle), radius * np.cos(angle)])
        root = np.array([(0.08, 0.0), (-0.08, 0.0)])
        lobe = rotated(np.concatenate([root[:1], edge[::-1], root[1:]]), turn)
        rim = Part(moved_to(1.05 * lobe, 0, base), "pale")
        # the topmost lobe lies at the back
        parts = [rim, Part(moved_to(lobe, 0, base), "body", patterned=True), *parts]
    return parts


def coral(traits: Traits, rng: np.random.Generator) -> list[Part]:
    """Branches that fork three times."""
    width = between(0.12, 0.26, traits.limb_width)
    spread = between(0.8, 0.35, traits.elongation)
    forks = 2 if traits.head < 0.5 else 3
    parts = []
    for x in np.linspace(-0.3, 0.3, traits.limbs):
        turn = -x * 1.5 + rng.normal(0, 0.1)
        first = between(0.6, 0.95, traits.limb_length)
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
        parts += [Part(ellipse(tx, ty, 0.05, 0.05), "accent") for tx, ty in tips[::forks]]
    return parts
