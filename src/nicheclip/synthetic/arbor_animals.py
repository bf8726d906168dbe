"""Body plans of animals: crawler, swimmer, flyer, star, drifter; see ``arbor_bodies``."""

import numpy as np

from nicheclip.synthetic.arbor_outlines import ARC, Part, between, ellipse, leaf_outline, moved_to
from nicheclip.synthetic.arbor_traits import Traits


def crawler(traits: Traits, rng: np.random.Generator) -> list[Part]:
    """Pairs of legs, feelers, an abdomen and a head."""
    girth = between(0.48, 0.2, traits.elongation)
    head = between(0.11, 0.24, traits.head)
    reach = between(0.25, 0.62, traits.limb_length)
    width = between(0.05, 0.13, traits.limb_width)
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
        Part(ellipse(0, -0.3, girth, 0.62), "body", patterned=True),
        Part(ellipse(0, 0.36, 0.8 * girth, 0.24), "shade"),
        Part(ellipse(0, 0.52 + head, head, head), "dark"),
    ]


def swimmer(traits: Traits, rng: np.random.Generator) -> list[Part]:
    """A fish seen from its side."""
    girth = between(0.5, 0.2, traits.elongation)
    tail = between(0.2, 0.5, traits.limb_length)
    t = np.linspace(0, 1, ARC)
    half = girth * np.sin(np.pi * t ** between(0.8, 0.55, traits.head)) ** 0.8 + 0.06 * (1 - t)
    y = -0.75 + 1.7 * t
    outline = np.concatenate([np.column_stack([half, y]), np.column_stack([-half, y])[::-1]])
    swing = rng.uniform(-0.12, 0.12)
    fork = [(0, -0.65), (tail + swing, -1.05), (swing, -0.92), (-tail + swing, -1.05)]
    parts = [Part(np.array(fork), "accent")]
    fin = between(0.15, 0.4, traits.limb_width)
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
        Part(ellipse(0.3 * girth, 0.62, 0.09, 0.09), "pale"),
        Part(ellipse(0.3 * girth, 0.63, 0.05, 0.05), "dark"),
    ]


def flyer(traits: Traits, rng: np.random.Generator) -> list[Part]:
    """Pairs of wings on a thin body."""
    reach = between(0.75, 1.05, traits.limb_length)
    breadth = between(0.22, 0.42, traits.limb_width)
    blunt = between(0.6, 1.7, traits.elongation)
    fold = rng.uniform(-0.15, 0.15)
    turns = {1: (1.2,), 2: (0.95, 2.05), 3: (0.75, 1.5, 2.3)}[traits.limbs]
    parts = []
    for number, turn in reversed(list(enumerate(turns))):
        size = reach * 0.85**number
        for side in (-1, 1):
            wing = leaf_outline(size, size * breadth, -side * (turn + fold), blunt)
            parts.append(Part(moved_to(wing, 0, 0.15 - 0.15 * number), "body", patterned=True))
    thick = between(0.07, 0.14, traits.head)
    for side in (-1, 1):
        feeler = [(0, 0.45), (side * 0.12, 0.7), (side * 0.28, 0.88)]
        parts.append(Part(np.array(feeler), "dark", width=0.035))
    return [
        *parts,
        Part(ellipse(0, -0.1, thick, 0.55), "dark"),
        Part(ellipse(0, 0.48, thick, thick), "dark"),
    ]


def star(traits: Traits, rng: np.random.Generator) -> list[Part]:
    """Arms around a core."""
    core = between(0.18, 0.5, traits.head)
    slim = between(0.7, 2.2, 1 - traits.limb_width)
    angle = np.linspace(0, 2 * np.pi, traits.limbs * 10, endpoint=False)
    lengths = rng.uniform(0.85, 1.05, traits.limbs)[
        np.floor(angle / (2 * np.pi) * traits.limbs + 0.5).astype(int) % traits.limbs
    ]
    radius = core + (lengths - core) * np.abs(np.cos(traits.limbs * angle / 2)) ** (2 * slim)
    outline = np.column_stack([radius * np.sin(angle), radius * np.cos(angle)])
    return [
        Part(outline, "body", patterned=True),
        Part(ellipse(0, 0, 0.3 * core, 0.3 * core), "accent"),
    ]


def drifter(traits: Traits, rng: np.random.Generator) -> list[Part]:
    """A dome with tentacles."""
    height = between(0.4, 0.85, traits.elongation)
    width = between(0.06, 0.16, traits.limb_width)
    length = between(0.6, 1.15, traits.limb_length)
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
