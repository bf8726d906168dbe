"""The raster: areas of discs and lines, and colours laid over each other."""

import math

import numpy as np
import pytest

from nicheclip.synthetic.raster import Canvas

BLACK = [(0, 0, 0, 1)]
SIZES = (16, 17, 96, 224, 447, 449, 512)


def ink(pixels):
    """Share of the square that is covered by black."""
    return float((255 - pixels.astype(float)).mean() / 255)


def area(expected, pixels):
    """Within 2%, and half a grey level of rounding in each pixel that is not white."""
    rounding = 0.5 / 255 * (pixels[..., 0] < 255).mean()
    return pytest.approx(expected, rel=0, abs=0.02 * expected + rounding)


def black_line(size, *, start, angle, length, width, cap="butt"):
    canvas = Canvas(size)
    end = (start[0] + length * math.cos(angle), start[1] + length * math.sin(angle))
    canvas.lines([(*start, *end)], [width], BLACK, cap=cap)
    return canvas.pixels()


# --- raster ---


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("radius", [0.008, 0.02, 0.2])
def test_disc_covers_its_area(size, radius):
    canvas = Canvas(size)
    canvas.discs([(0.43, 0.51)], [radius], BLACK)
    pixels = canvas.pixels()
    assert pixels.shape == (size, size, 3)
    assert ink(pixels) == area(math.pi * radius**2, pixels)


def test_outline_adds_half_its_width_to_the_radius():
    canvas = Canvas(256, points_per_edge=100)
    canvas.discs([(0.5, 0.5)], [0.1], BLACK, outline=2)
    assert ink(canvas.pixels()) == pytest.approx(math.pi * 0.11**2, rel=0.02)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("angle", [0.0, 0.4, math.pi / 2, 2.5])
def test_line_covers_width_times_length(size, angle):
    pixels = black_line(size, start=(0.5, 0.5), angle=angle, length=0.4, width=2)
    assert ink(pixels) == area(0.4 * 2 / 720, pixels)


def test_projecting_cap_adds_half_a_width_at_both_ends():
    pixels = black_line(512, start=(0.4, 0.5), angle=0.3, length=0.1, width=36, cap="projecting")
    assert ink(pixels) == pytest.approx(0.05 * (0.1 + 0.05), rel=0.02)


@pytest.mark.parametrize("width", [0.2, 0.5, 1.0, 2.0, 8.0])
def test_a_line_below_a_pixel_fades_in_proportion_to_its_width(width):
    # At 32 pixels a pixel is 22.5 points wide.
    pixels = black_line(32, start=(0.1, 0.5 + 1 / 64), angle=0, length=0.8, width=width)
    assert ink(pixels) == area(0.8 * width / 720, pixels)
    darkest = (255 - int(pixels.min())) / 255
    assert darkest == pytest.approx(width / 22.5, rel=0.2, abs=1 / 255)


def test_y_points_up():
    canvas = Canvas(64)
    canvas.discs([(0.25, 0.9)], [0.05], BLACK)
    rows, columns = np.nonzero(canvas.pixels()[..., 0] < 128)
    assert rows.mean() + 0.5 == pytest.approx(0.1 * 64, abs=0.5)
    assert columns.mean() + 0.5 == pytest.approx(0.25 * 64, abs=0.5)


def test_colours_and_opacity_add_up():
    canvas = Canvas(64)
    veil = [(1, 0, 0, 0.8)]
    canvas.lines([(0, 0.25, 1, 0.25)], [360], veil)
    canvas.lines([(0.5, 0, 0.5, 1)], [72], veil)
    pixels = canvas.pixels().astype(int)
    assert pixels[60, 5].tolist() == pytest.approx([255, 51, 51], abs=1)
    assert pixels[60, 32].tolist() == pytest.approx([255, 10, 10], abs=1)  # 255 x 0.2 x 0.2
    assert pixels[5, 5].tolist() == [255, 255, 255]
