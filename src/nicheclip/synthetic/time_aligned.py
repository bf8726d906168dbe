"""The time-aligned model: one colony whose spores become hyphae and then mycelium.

The model of arXiv 2501.02855, with the numbers of its published code where the two differ. Twenty
spores lie at U(0.1, 0.9)^2. Frame i of N stands at T = i / (N - 1). Above T = 0.1 each frame turns
max(1, int(0.1 n T)) of the n spores into hyphae; above T = 0.5 it turns
max(1, int(0.1 n (T - 0.5))) of the n hyphae into mycelium, the oldest first. Spores that are left
move by U(-0.01, 0.01) in x and y. With 100 frames the last spore turns in frame 29 and the last
hypha in frame 69, which is where FungalZSL's 30 and 70 seconds come from. Branches are grown anew
in every frame.
"""

from dataclasses import dataclass

import numpy as np

from nicheclip.synthetic.branching import Branching, Floats, grow
from nicheclip.synthetic.fungi import (
    FungiImage,
    Gradient,
    StageName,
    Structures,
    Temperature,
    render,
    temperature_at,
)

SPORES = 20
FIELD = (0.1, 0.9)
JITTER = 0.01
CONVERSION_RATE = 0.1
HYPHAE_FROM = 0.1
MYCELIUM_FROM = 0.5
VIGOUR_NOISE = 0.1
FIGURE_POINTS = 831.6
"""Edge of the published picture in points: a 15-inch figure, cut down to its 11.55-inch square."""

SPORE_COLOURS = Gradient((1, 1, 0), (1, 0.8, 0.3))
HYPHAE_COLOURS = Gradient((1, 0.8, 0.3), (1, 0.5, 0))
MYCELIUM_COLOURS = Gradient((1, 0.5, 0), (1, 0, 0))


@dataclass(frozen=True, eq=False)
class ColonyFrame:
    """Where the structures are; each [n, 2]."""

    spores: Floats
    hyphae: Floats
    mycelium: Floats
    visible_spores: int
    """The published code draws only the first int((1 - T) n) spores."""

    @property
    def stage(self) -> StageName:
        """The earliest stage that is still there.

        So a label covers the same span of time as in FungalZSL: spores to frame 28 of 100, hyphae
        to frame 68, then mycelium. A late spore frame shows more hyphae than spores.
        """
        if len(self.spores):
            return "spore"
        return "hyphae" if len(self.hyphae) else "mycelium"


@dataclass(frozen=True, eq=False)
class Colony:
    """One colony over time."""

    frames: tuple[ColonyFrame, ...]

    def frames_of(self, stage: StageName) -> list[int]:
        """The indices of the frames that show ``stage``."""
        return [index for index, frame in enumerate(self.frames) if frame.stage == stage]


def grow_colony(rng: np.random.Generator, frames: int = 100) -> Colony:
    """Simulate a colony. Raises ValueError when there are fewer than two frames."""
    if frames < 2:
        raise ValueError(f"a colony needs at least 2 frames, not {frames}")
    spores = rng.uniform(*FIELD, (SPORES, 2))
    hyphae = np.zeros((0, 2))
    mycelium = np.zeros((0, 2))
    grown: list[ColonyFrame] = []
    for index in range(frames):
        progress = index / (frames - 1)
        visible = int(len(spores) * (1 - progress))
        spores, hyphae = _convert(spores, hyphae, progress, progress > HYPHAE_FROM)
        hyphae, mycelium = _convert(
            hyphae, mycelium, progress - MYCELIUM_FROM, progress > MYCELIUM_FROM
        )
        grown.append(ColonyFrame(spores, hyphae, mycelium, min(visible, len(spores))))
        spores = spores + rng.uniform(-JITTER, JITTER, spores.shape)
    return Colony(tuple(grown))


def _convert(earlier: Floats, later: Floats, progress: float, begun: bool) -> tuple[Floats, Floats]:
    """Move the first max(1, int(0.1 n progress)) rows of ``earlier`` to the end of ``later``."""
    if not begun or not len(earlier):
        return earlier, later
    count = max(1, int(len(earlier) * progress * CONVERSION_RATE))
    return earlier[count:], np.concatenate([later, earlier[:count]])


def draw_frame(
    colony: Colony,
    frame: int,
    *,
    size: int,
    rng: np.random.Generator,
    temperature: Temperature = "paper",
) -> FungiImage:
    """Draw one frame, ``size`` pixels wide; its time is its share of FungalZSL's 100 seconds."""
    time = 100 * frame / len(colony.frames)
    progress = frame / (len(colony.frames) - 1)
    here = colony.frames[frame]
    groups = [_spores(here, progress), _hyphae(here, progress, rng), _mycelium(here, progress, rng)]
    return FungiImage(
        pixels=render(groups, size=size, points_per_edge=FIGURE_POINTS),
        stage=here.stage,
        time=time,
        temperature=temperature_at(time, temperature),
    )


def _spores(frame: ColonyFrame, progress: float) -> Structures:
    centres = frame.spores[: frame.visible_spores]
    return Structures(
        centres=centres,
        disc_radius=0.02 * max(0.0, 1 - 1.2 * progress),
        colours=SPORE_COLOURS.at(centres[:, 1]),
        branches=None,
    )


def _hyphae(frame: ColonyFrame, progress: float, rng: np.random.Generator) -> Structures:
    scale = 1 - 0.5 * progress
    branching = Branching(
        length=0.06 * scale,
        width=2 * scale,
        depth=3,
        initial_branches=int(4 * progress),
        poisson=True,
        length_noise=0.2,
        vigour=rng.normal(1, VIGOUR_NOISE),
    )
    return Structures(
        centres=frame.hyphae,
        disc_radius=0.006 * scale,
        colours=HYPHAE_COLOURS.at(frame.hyphae[:, 1]),
        branches=grow(frame.hyphae, branching, rng),
    )


def _mycelium(frame: ColonyFrame, progress: float, rng: np.random.Generator) -> Structures:
    growth = min(1.0, 2 * max(0.0, progress - MYCELIUM_FROM))
    branching = Branching(
        length=0.02 + 0.18 * growth,
        width=2 * (0.5 + growth),
        depth=4,
        # The published code scales the count by the growth twice.
        initial_branches=int(int(3 + 10 * growth) * growth),
        poisson=True,
        length_noise=0.2,
        vigour=rng.normal(1, VIGOUR_NOISE),
    )
    return Structures(
        centres=frame.mycelium,
        disc_radius=0.004 * (0.5 + growth),
        colours=MYCELIUM_COLOURS.at(np.full(len(frame.mycelium), growth)),
        branches=grow(frame.mycelium, branching, rng),
    )
