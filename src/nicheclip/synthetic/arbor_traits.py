"""What an organism of the world `arbor` looks like, and how looks are inherited.

A taxon has the traits of the taxon above it but for mutations. Body plans change at high ranks
only, colours and patterns at low ones, so relatives look alike and the more so the closer they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np

Plan = Literal[
    "crawler",
    "swimmer",
    "flyer",
    "star",
    "drifter",
    "bloom",
    "frond",
    "rosette",
    "cap",
    "fan",
    "coral",
]
Pattern = Literal["plain", "spotted", "banded", "striped", "ringed", "blotched"]
Colour = Literal["red", "orange", "yellow", "green", "blue", "purple", "brown", "white", "black"]
Texture = Literal["smooth", "woolly", "rough", "glossy"]
Habitat = Literal["marsh", "forest", "dune", "reef", "meadow", "rock"]

PLANS_OF_KINGDOM: tuple[tuple[Plan, ...], ...] = (
    ("crawler", "swimmer", "flyer", "star", "drifter"),  # animals
    ("bloom", "frond", "rosette"),  # plants
    ("cap", "fan", "coral"),  # fungi
)
LIMBS: Mapping[Plan, tuple[int, int]] = MappingProxyType(
    {
        "crawler": (2, 6),  # legs a side
        "swimmer": (1, 4),  # fins on the back
        "flyer": (1, 3),  # wings a side
        "star": (4, 9),  # arms
        "drifter": (3, 8),  # tentacles
        "bloom": (4, 11),  # petals
        "frond": (4, 9),  # leaflets a side
        "rosette": (6, 12),  # leaves of a whorl
        "cap": (1, 3),  # fruit bodies
        "fan": (1, 4),  # lobes
        "coral": (2, 5),  # stems
    }
)
"""Fewest and most limbs of each body plan; a star, a bloom and a rosette are radial."""

CHOICES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "pattern": get_args(Pattern),
        "colour": get_args(Colour),
        "accent": get_args(Colour),
        "texture": get_args(Texture),
        "habitat": get_args(Habitat),
    }
)
MUTATION: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        # kingdom, phylum, class, order, family, genus, species
        "plan": (1.0, 1.0, 0.5, 0.0, 0.0, 0.0, 0.0),
        "habitat": (1.0, 0.5, 0.5, 0.5, 0.4, 0.25, 0.1),
        "texture": (1.0, 0.5, 0.4, 0.4, 0.3, 0.15, 0.05),
        "pattern": (1.0, 0.3, 0.3, 0.4, 0.4, 0.35, 0.4),
        "colour": (1.0, 0.3, 0.3, 0.4, 0.4, 0.3, 0.25),
        "accent": (1.0, 0.3, 0.3, 0.4, 0.4, 0.3, 0.25),
    }
)
"""How probable a new draw of each trait is at each rank."""
STEP: tuple[float, ...] = (0.5, 0.35, 0.3, 0.25, 0.2, 0.12, 0.08)
"""Standard deviation, at each rank, of the change of each proportion."""
PROPORTIONS = ("limb_number", "limb_length", "limb_width", "elongation", "head", "pattern_scale")


@dataclass(frozen=True)
class Traits:
    """The looks of a taxon. Proportions lie in [0, 1], from the least to the most."""

    plan: Plan = "crawler"
    pattern: Pattern = "plain"
    colour: Colour = "brown"
    accent: Colour = "white"
    texture: Texture = "smooth"
    habitat: Habitat = "forest"
    limb_number: float = 0.5
    limb_length: float = 0.5
    limb_width: float = 0.5
    elongation: float = 0.5
    head: float = 0.5
    pattern_scale: float = 0.5

    @property
    def limbs(self) -> int:
        """Legs, fins or wings a side; arms, petals, lobes: what the body plan has."""
        fewest, most = LIMBS[self.plan]
        return fewest + round(self.limb_number * (most - fewest))

    @property
    def marks(self) -> tuple[str | int, ...]:
        """What tells a species from others on its body; no two species share all of it."""
        accent = "" if self.pattern == "plain" else self.accent
        return (self.plan, self.limbs, self.pattern, self.colour, accent, self.texture)


def inherit(parent: Traits, rank: int, kingdom: int, rng: np.random.Generator) -> Traits:
    """The traits of a taxon of the rank ``RANKS[rank]`` below a taxon with ``parent``'s.

    ``kingdom``: which row of ``PLANS_OF_KINGDOM`` body plans come from.
    """
    changes: dict[str, object] = {
        name: _reflect(getattr(parent, name) + rng.normal(0, STEP[rank])) for name in PROPORTIONS
    }
    if rng.random() < MUTATION["plan"][rank]:
        changes["plan"] = _other(PLANS_OF_KINGDOM[kingdom], parent.plan, rng)
    for name in CHOICES:
        if rng.random() < MUTATION[name][rank]:
            changes[name] = _other(CHOICES[name], getattr(parent, name), rng)
    return _visible(replace(parent, **changes), rng)  # type: ignore[arg-type]


def differ(traits: Traits, rng: np.random.Generator) -> Traits:
    """``traits`` with another pattern, colour, accent or texture, or number of limbs drawn anew."""
    name = ("pattern", "colour", "accent", "texture", "limb_number")[int(rng.integers(5))]
    if name == "limb_number":
        return replace(traits, limb_number=float(rng.random()))
    changed = replace(traits, **{name: _other(CHOICES[name], getattr(traits, name), rng)})  # type: ignore[arg-type]
    return _visible(changed, rng)


def _visible(traits: Traits, rng: np.random.Generator) -> Traits:
    """A pattern in the body's own colour could not be seen: its colour is drawn again."""
    if traits.accent != traits.colour:
        return traits
    return replace(traits, accent=_other(CHOICES["accent"], traits.colour, rng))  # type: ignore[arg-type]


def _other(choices: tuple[str, ...], present: str, rng: np.random.Generator) -> str:
    rest = [choice for choice in choices if choice != present]
    return rest[int(rng.integers(len(rest)))]


def _reflect(value: float) -> float:
    """``value`` folded back into [0, 1]."""
    return float(1 - abs(1 - value % 2))
