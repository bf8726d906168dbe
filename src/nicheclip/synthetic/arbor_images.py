"""Pictures of the species of `arbor`, and of its shifted twin, the field.

A picture is a habitat with litter, the shadow of an individual, its parts, its species' pattern and
texture, relief by a side light, then a camera. All shapes are drawn at the final size with exact
coverage (Anti-Grain Geometry), all random numbers but the sensor's noise come before pixels do:
the same picture at every size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import aggdraw
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from nicheclip.synthetic.arbor_bodies import body
from nicheclip.synthetic.arbor_cameras import photograph, photograph_in_the_field, to_image
from nicheclip.synthetic.arbor_habitats import background
from nicheclip.synthetic.arbor_outlines import Paint, Part
from nicheclip.synthetic.arbor_traits import CHOICES, Colour, Habitat, Plan, Traits
from nicheclip.synthetic.raster import Pixels

Floats = NDArray[np.float64]

COLOURS: Mapping[Colour, tuple[float, float, float]] = MappingProxyType(
    {
        "red": (0.70, 0.18, 0.16),
        "orange": (0.82, 0.48, 0.16),
        "yellow": (0.84, 0.76, 0.26),
        "green": (0.30, 0.54, 0.24),
        "blue": (0.22, 0.40, 0.68),
        "purple": (0.50, 0.26, 0.56),
        "brown": (0.42, 0.28, 0.18),
        "white": (0.90, 0.88, 0.84),
        "black": (0.14, 0.13, 0.14),
    }
)
STEM = (0.34, 0.42, 0.20)
UPRIGHT: Mapping[Plan, float] = MappingProxyType(
    {"bloom": 0.25, "frond": 0.4, "cap": 0.2, "fan": 0.3, "coral": 0.2, "drifter": 0.6}
)
"""Largest tilt in radians of body plans that know up and down; the others lie at any angle."""


@dataclass(frozen=True)
class View:
    """How hard pictures are to read. ``difficulty`` in [0, 1] scales whatever varies."""

    difficulty: float
    field: bool

    @property
    def at_home(self) -> float:
        """How probable the species' own habitat is."""
        return 1 - (0.9 if self.field else 0.8) * self.difficulty


@dataclass(frozen=True)
class _Pose:
    """Where a body lies in the picture, in edges; y runs down there."""

    centre: tuple[float, float]
    scale: tuple[float, float]
    """Across and along the body."""
    turn: float
    bend: float

    def place(self, points: Floats) -> Floats:
        x, y = points[:, 0] * self.scale[0], points[:, 1] * self.scale[1]
        x = x + self.bend * y * y / self.scale[1]
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        return np.column_stack(
            [self.centre[0] + x * cos - y * sin, self.centre[1] - x * sin - y * cos]
        )

    def body_coordinates(self, size: int) -> tuple[Floats, Floats]:
        """Where in the body each pixel lies: (x, y), each [size, size]."""
        place = (np.arange(size) + 0.5) / size
        right, down = place[None] - self.centre[0], place[:, None] - self.centre[1]
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        y = (-right * sin - down * cos) / self.scale[1]
        x = (right * cos - down * sin) - self.bend * y * y * self.scale[1]
        return x / self.scale[0], y


def draw_specimen(
    traits: Traits, *, size: int, rng: np.random.Generator, difficulty: float, field: bool
) -> Pixels:
    """Draw one individual with ``traits``, ``size`` pixels wide: uint8 RGB [size, size, 3].

    ``difficulty`` in [0, 1] scales how much pictures of a species vary; ``field`` draws it as the
    shifted twin does.
    """
    view = View(difficulty, field)
    habitat = choose_habitat(traits, view, rng)
    scene = background(habitat, size, rng, clutter=0.4 + 1.2 * difficulty)
    pose = _pose(traits.plan, view, rng)
    shapes = _place(body(traits, rng), pose, size)
    colours = _colours(traits, view, rng)
    light = rng.uniform(0, 2 * np.pi)
    coverage, patterned = _masks(shapes, size)
    pixels = np.asarray(scene, dtype=float) / 255
    relief, soft = _relief(coverage, light)
    reach = max(1, round(0.04 * size))
    shadow = np.roll(soft, (reach, round(reach * np.cos(light))), axis=(0, 1))
    scene = to_image(pixels * (1 - 0.45 * shadow[..., None]))
    _paint(scene, shapes, colours, traits.texture == "woolly", rng)
    pixels = np.asarray(scene, dtype=float) / 255
    pixels = _mark(pixels, traits, pose, patterned, colours["accent"], rng)
    pixels = _light_up(pixels, traits, pose, coverage, patterned, relief, rng)
    if field:
        return photograph_in_the_field(pixels, habitat, difficulty, rng)
    return photograph(pixels, difficulty, rng)


def choose_habitat(traits: Traits, view: View, rng: np.random.Generator) -> Habitat:
    """Where an individual is met: at home with probability ``view.at_home``, or anywhere."""
    elsewhere = CHOICES["habitat"][int(rng.integers(len(CHOICES["habitat"])))]
    return traits.habitat if rng.random() < view.at_home else elsewhere  # type: ignore[return-value]


def _pose(plan: Plan, view: View, rng: np.random.Generator) -> _Pose:
    vary = 0.3 + 0.7 * view.difficulty
    tilt = UPRIGHT.get(plan, np.pi) * vary
    turn = rng.uniform(-tilt, tilt)
    if plan == "swimmer":  # level, to the left or to the right
        turn = rng.choice([-1, 1]) * np.pi / 2 + rng.uniform(-0.5, 0.5) * vary
    scale = 0.4 - rng.uniform(0, 0.17) * vary
    flat = 1 - rng.uniform(0, 0.3) * vary
    across, along = (scale * flat, scale) if rng.random() < 0.5 else (scale, scale * flat)
    shift = rng.uniform(-0.14, 0.14, 2) * vary
    mirror = int(rng.choice([-1, 1]))
    return _Pose(
        centre=(0.5 + float(shift[0]), 0.5 + float(shift[1])),
        scale=(mirror * across, along),
        turn=float(turn),
        bend=float(rng.normal(0, 0.12) * vary),
    )


def _colours(traits: Traits, view: View, rng: np.random.Generator) -> dict[Paint, Floats]:
    """The individual's colours, a little off its species'."""
    spread = 0.02 + 0.1 * view.difficulty
    main = np.array(COLOURS[traits.colour]) + rng.normal(0, spread, 3)
    accent = np.array(COLOURS[traits.accent]) + rng.normal(0, spread, 3)
    stem = np.array(STEM) + rng.normal(0, spread, 3)
    colours: dict[Paint, Floats] = {
        "body": main,
        "shade": 0.82 * main,
        "accent": accent,
        "dark": 0.35 * main,
        "pale": 0.35 * main + 0.55,
        "stem": stem,
    }
    return {paint: np.clip(colour, 0, 1) for paint, colour in colours.items()}


@dataclass(frozen=True, eq=False)
class _Shape:
    """A part where it lies in the picture."""

    part: Part
    points: Floats
    """[n, 2], pixels."""
    width: float
    """Of a stroke, pixels; 0 fills the outline."""

    def draw(self, drawing: aggdraw.Draw, colour: tuple[int, ...]) -> None:
        points = self.points.ravel().tolist()
        if self.width:
            drawing.line(points, aggdraw.Pen(colour, self.width))
        else:
            drawing.polygon(points, aggdraw.Pen("black", 0), aggdraw.Brush(colour))


def _place(parts: Sequence[Part], pose: _Pose, size: int) -> list[_Shape]:
    """All parts in one go, which is several times faster than one by one."""
    placed = pose.place(np.concatenate([part.points for part in parts])) * size
    ends = np.cumsum([len(part.points) for part in parts])
    return [
        _Shape(part, points, part.width * pose.scale[1] * size)
        for part, points in zip(parts, np.split(placed, ends[:-1]), strict=True)
    ]


def _masks(shapes: Sequence[_Shape], size: int) -> tuple[Floats, Floats]:
    """The share of each pixel that the body covers, and its patterned parts: [size, size] each."""
    drawing = aggdraw.Draw("RGB", (size, size), "black")
    for shape in shapes:
        shape.draw(drawing, (255, 255 if shape.part.patterned else 0, 0))
    image = np.frombuffer(drawing.tobytes(), np.uint8).reshape(size, size, 3)
    return image[..., 0] / 255, image[..., 1] / 255


def _paint(
    scene: Image.Image,
    shapes: Sequence[_Shape],
    colours: Mapping[Paint, Floats],
    woolly: bool,
    rng: np.random.Generator,
) -> None:
    drawing = aggdraw.Draw(scene)
    for shape in shapes:
        colour = tuple((255 * colours[shape.part.paint]).astype(int).tolist())
        if woolly and shape.part.patterned and not shape.width:
            _hair(drawing, shape.points, scene.width, colour, rng)
        shape.draw(drawing, colour)
    drawing.flush()


def _hair(
    drawing: aggdraw.Draw,
    roots: Floats,
    size: int,
    colour: tuple[int, ...],
    rng: np.random.Generator,
) -> None:
    """Bristles around an outline, one for each of its vertices."""
    outward = roots - roots.mean(axis=0)
    outward /= np.linalg.norm(outward, axis=1, keepdims=True) + 1e-9
    sideways = np.stack([-outward[:, 1], outward[:, 0]], axis=1)
    tips = roots + 0.035 * size * (outward + sideways * rng.normal(0, 0.4, (len(roots), 1)))
    pen = aggdraw.Pen(colour, 0.012 * size)
    for line in np.concatenate([roots, tips], axis=1).tolist():
        drawing.line(line, pen)


def _mark(
    pixels: Floats,
    traits: Traits,
    pose: _Pose,
    patterned: Floats,
    accent: Floats,
    rng: np.random.Generator,
) -> Floats:
    """``pixels`` with the species' pattern on the patterned parts."""
    if traits.pattern == "plain":
        return pixels
    x, y = pose.body_coordinates(len(pixels))
    often = 4.2 - 2.0 * traits.pattern_scale
    phase = rng.uniform(0, 2 * np.pi, 2)
    if traits.pattern == "banded":
        height = np.sin(np.pi * often * y + phase[0])
    elif traits.pattern == "striped":
        height = np.cos(np.pi * often * x)
    elif traits.pattern == "ringed":
        height = np.sin(np.pi * often * np.hypot(x, y) + 0.3 * phase[0])
    elif traits.pattern == "spotted":
        across = np.pi * (often + 1) * (x + 0.13 * np.sin(5 * y + phase[0]))
        along = np.pi * (often + 1) * (y + 0.13 * np.sin(5 * x + phase[1]))
        height = np.cos(across) * np.cos(along) + np.cos(across + along) / 4 - 0.35
    else:
        a, b = rng.normal(0, 0.9 * often, (2, 3)), rng.uniform(0, 2 * np.pi, 3)
        height = sum(np.sin(a[0, i] * x + a[1, i] * y + b[i]) for i in range(3)) - 0.3
    pixel = 1 / (len(pixels) * abs(pose.scale[0]))  # in body lengths
    sharp = 1 / (0.12 + 2 * often * pixel)
    share = np.clip(0.5 + sharp * height, 0, 1) * patterned
    marked: Floats = pixels + 0.9 * share[..., None] * (accent - pixels)
    return marked


def _relief(coverage: Floats, light: float) -> tuple[Floats, Floats]:
    """How much each pixel of a rounded body faces the light, in [-1, 1]; and its soft outline."""
    size = len(coverage)
    image = Image.fromarray((255 * coverage).astype(np.uint8))
    soft = np.asarray(image.filter(ImageFilter.GaussianBlur(0.035 * size)), dtype=float) / 255
    down, right = np.gradient(soft)
    slope = size / 12 * (down * -abs(np.sin(light)) - right * np.cos(light))
    return np.clip(-slope, -1, 1), soft


def _light_up(
    pixels: Floats,
    traits: Traits,
    pose: _Pose,
    coverage: Floats,
    patterned: Floats,
    relief: Floats,
    rng: np.random.Generator,
) -> Floats:
    """``pixels`` with the body's relief and texture."""
    gain = 1 + 0.45 * relief * coverage
    if traits.texture == "rough":
        x, y = pose.body_coordinates(len(pixels))
        phase = rng.uniform(0, 6, 2)
        warts = np.sin(23 * x + 4 * np.sin(7 * y) + phase[0]) * np.sin(23 * y + phase[1])
        gain = gain * (1 + 0.3 * warts * patterned)
    lit = pixels * gain[..., None]
    if traits.texture == "glossy":
        lit = lit + 0.9 * (np.clip(relief - 0.25, 0, 1) * patterned)[..., None]
    return lit
