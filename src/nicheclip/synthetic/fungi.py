"""FungalZSL's three stages of a fungus: spores, hyphae, mycelium (arXiv 2502.19038, section 2.1).

The paper gives the equations, its published generator the parameters (`STAGES`). Both draw with
matplotlib; so that the pictures look alike, this module keeps what matplotlib adds: discs below
lines, a one-point outline around each disc, and lines that project by half their width.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from nicheclip.synthetic.branching import Branches, Branching, Floats, grow
from nicheclip.synthetic.raster import Canvas, Pixels

StageName = Literal["spore", "hyphae", "mycelium"]
Temperature = Literal["paper", "code"]
Colour = tuple[float, float, float]

CLASSES: tuple[StageName, ...] = ("spore", "hyphae", "mycelium")

FIGURE_POINTS = 554.4
"""Edge of the published picture in points: a 10-inch figure, cut down to its 7.7-inch square."""
BRANCH_OPACITY = 0.8
DISC_OUTLINE = 1.0  # points
CENTRES = (0.2, 0.8)


@dataclass(frozen=True)
class Gradient:
    """Colours from ``start`` at position 0 to ``end`` at position 1 (RGB in [0, 1])."""

    start: Colour
    end: Colour

    def at(self, position: Floats) -> Floats:
        """[n, 3] colours at ``position`` [n], which is cut to [0, 1]."""
        share = np.clip(position, 0, 1)[:, None]
        colours: Floats = (1 - share) * np.array(self.start) + share * np.array(self.end)
        return colours


@dataclass(frozen=True)
class Interval:
    """From ``start`` to ``end``."""

    start: float
    end: float


@dataclass(frozen=True)
class Remnant:
    """Structures of the previous stage that a picture may show: ``fewest`` to ``most`` of them."""

    disc_radius: float
    branching: Branching | None
    gradient: Gradient
    probability: float = 0.5
    fewest: int = 1
    most: int = 2


@dataclass(frozen=True)
class Stage:
    """The parameters of one stage. Lengths in edges of the square, widths in points."""

    structures: int
    disc_radius: float
    branching: Branching | None
    gradient: Gradient
    remnant: Remnant | None
    seconds: Interval
    kelvin_paper: Interval
    kelvin_code: Interval


SPORE_RADIUS = 0.02
HYPHAE_RADIUS = 0.008
SPORE_COLOURS = Gradient((1, 0.84, 0), (1, 0.8, 0.5))
MYCELIUM_COLOURS = Gradient((1, 0.5, 0), (1, 0, 0))
HYPHAE_BRANCHING = Branching(length=0.06, width=2, depth=3, initial_branches=4)

STAGES: Mapping[StageName, Stage] = {
    "spore": Stage(
        structures=10,
        disc_radius=SPORE_RADIUS,
        branching=None,
        gradient=SPORE_COLOURS,
        remnant=None,
        seconds=Interval(0, 30),
        kelvin_paper=Interval(300, 330),
        kelvin_code=Interval(300, 330),
    ),
    "hyphae": Stage(
        structures=10,
        disc_radius=HYPHAE_RADIUS,
        branching=HYPHAE_BRANCHING,
        gradient=Gradient((1, 0.7, 0), (1, 0.4, 0)),
        remnant=Remnant(SPORE_RADIUS, None, SPORE_COLOURS),
        seconds=Interval(30, 70),
        kelvin_paper=Interval(330, 370),
        kelvin_code=Interval(330, 350),
    ),
    "mycelium": Stage(
        structures=10,
        disc_radius=0.008,
        branching=Branching(length=0.2, width=2, depth=10, initial_branches=14),
        gradient=MYCELIUM_COLOURS,
        # The published generator gives these hyphae the colours of the mycelium.
        remnant=Remnant(HYPHAE_RADIUS, HYPHAE_BRANCHING, MYCELIUM_COLOURS),
        seconds=Interval(70, 100),
        kelvin_paper=Interval(370, 400),
        kelvin_code=Interval(350, 380),
    ),
}


@dataclass(frozen=True, eq=False)
class Structures:
    """Structures of one kind: a disc each, and the branches that grow from it, if any."""

    centres: Floats
    """[n, 2]."""
    disc_radius: float
    colours: Floats
    """[n, 3]."""
    branches: Branches | None


@dataclass(frozen=True, eq=False)
class FungiImage:
    """A picture and what it shows."""

    pixels: Pixels
    """[size, size, 3], RGB."""
    stage: StageName
    time: float
    """Seconds, 0 to 100."""
    temperature: float
    """Kelvin."""


def draw_stage(
    stage: StageName, *, size: int, rng: np.random.Generator, temperature: Temperature
) -> FungiImage:
    """Draw one picture of ``stage``, ``size`` pixels wide, at a random time of that stage.

    ``temperature``: the ranges that the paper states, or those of its published code.
    """
    seconds = STAGES[stage].seconds
    time = float(rng.uniform(seconds.start, seconds.end))
    return FungiImage(
        pixels=render(grow_stage(stage, rng), size=size, points_per_edge=FIGURE_POINTS),
        stage=stage,
        time=time,
        temperature=temperature_at(time, temperature),
    )


def temperature_at(time: float, temperature: Temperature) -> float:
    """Kelvin at ``time`` (seconds in [0, 100]): rises linearly within each stage."""
    stage = next((s for s in STAGES.values() if time < s.seconds.end), STAGES["mycelium"])
    kelvin = stage.kelvin_paper if temperature == "paper" else stage.kelvin_code
    share = (time - stage.seconds.start) / (stage.seconds.end - stage.seconds.start)
    return kelvin.start + share * (kelvin.end - kelvin.start)


def grow_stage(stage: StageName, rng: np.random.Generator) -> list[Structures]:
    """The structures of one picture: those of ``stage``, then perhaps a few of the stage before."""
    parameters = STAGES[stage]
    grown = [
        _grow_group(
            parameters.structures,
            parameters.disc_radius,
            parameters.branching,
            parameters.gradient,
            rng,
        )
    ]
    remnant = parameters.remnant
    if remnant is not None and rng.random() < remnant.probability:
        count = int(rng.integers(remnant.fewest, remnant.most, endpoint=True))
        grown.append(
            _grow_group(count, remnant.disc_radius, remnant.branching, remnant.gradient, rng)
        )
    return grown


def _grow_group(
    count: int,
    disc_radius: float,
    branching: Branching | None,
    gradient: Gradient,
    rng: np.random.Generator,
) -> Structures:
    centres = rng.uniform(*CENTRES, (count, 2))
    return Structures(
        centres=centres,
        disc_radius=disc_radius,
        colours=gradient.at(centres[:, 1]),
        branches=None if branching is None else grow(centres, branching, rng),
    )


def render(groups: Sequence[Structures], *, size: int, points_per_edge: float) -> Pixels:
    """Draw all discs, then all branches over them; RGB, uint8 [size, size, 3]."""
    canvas = Canvas(size, points_per_edge=points_per_edge)
    for group in groups:
        opaque = np.column_stack([group.colours, np.ones(len(group.colours))])
        radii = np.full(len(group.centres), group.disc_radius)
        canvas.discs(group.centres, radii, opaque, outline=DISC_OUTLINE)
    for group in groups:
        if group.branches is not None:
            colours = group.colours[group.branches.structure]
            veiled = np.column_stack([colours, np.full(len(colours), BRANCH_OPACITY)])
            canvas.lines(group.branches.segments, group.branches.widths, veiled, cap="projecting")
    return canvas.pixels()
