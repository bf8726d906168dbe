"""The fungi world: three stages, time-aligned colony, encoded images."""

import io
import math
import multiprocessing
from collections import Counter

import matplotlib
import numpy as np
import pytest
from PIL import Image

from nicheclip.config.worlds import FungiWorld
from nicheclip.synthetic.branching import Branching, grow
from nicheclip.synthetic.fungi import (
    CLASSES,
    FIGURE_POINTS,
    STAGES,
    Gradient,
    Structures,
    draw_stage,
    grow_stage,
    render,
    temperature_at,
)
from nicheclip.synthetic.fungi_world import CLASS_NAMES
from nicheclip.synthetic.time_aligned import draw_frame, grow_colony
from nicheclip.synthetic.worlds import iterate

SIZES = (16, 17, 96, 224, 447, 449, 512)


# --- stages ---


def test_parameters_are_the_published_ones():
    spore, hyphae, mycelium = (STAGES[stage] for stage in CLASSES)
    assert [s.structures for s in (spore, hyphae, mycelium)] == [10, 10, 10]
    assert [s.disc_radius for s in (spore, hyphae, mycelium)] == [0.02, 0.008, 0.008]
    assert spore.branching is None
    assert hyphae.branching == Branching(length=0.06, width=2, depth=3, initial_branches=4)
    assert mycelium.branching == Branching(length=0.2, width=2, depth=10, initial_branches=14)
    assert (spore.gradient.start, spore.gradient.end) == ((1, 0.84, 0), (1, 0.8, 0.5))
    assert (hyphae.gradient.start, hyphae.gradient.end) == ((1, 0.7, 0), (1, 0.4, 0))
    assert (mycelium.gradient.start, mycelium.gradient.end) == ((1, 0.5, 0), (1, 0, 0))
    assert set(CLASS_NAMES) == set(CLASSES)


def test_gradient_runs_from_start_to_end():
    colours = Gradient((1, 0.84, 0), (1, 0.8, 0.5)).at(np.array([0, 0.5, 1, 1.2]))
    expected = np.array([[1, 0.84, 0], [1, 0.82, 0.25], [1, 0.8, 0.5], [1, 0.8, 0.5]])
    assert colours == pytest.approx(expected)


def test_spores_take_their_colour_from_their_height():
    [spores] = grow_stage("spore", np.random.default_rng(3))
    assert spores.centres.min() >= 0.2
    assert spores.centres.max() <= 0.8
    assert spores.colours[:, 2] == pytest.approx(0.5 * spores.centres[:, 1])
    pixels = render([spores], size=512, points_per_edge=FIGURE_POINTS)
    x, y = spores.centres[-1]  # the last lies on top
    expected = np.rint(255 * spores.colours[-1])
    assert pixels[int((1 - y) * 512), int(x * 512)] == pytest.approx(expected, abs=1)


def test_spores_never_keep_anything_of_a_stage_before():
    assert all(len(grow_stage("spore", np.random.default_rng(seed))) == 1 for seed in range(50))


@pytest.mark.parametrize(("stage", "images"), [("hyphae", 600), ("mycelium", 300)])
def test_half_of_the_pictures_keep_one_or_two_of_the_stage_before(stage, images):
    grown = [grow_stage(stage, np.random.default_rng(seed)) for seed in range(images)]
    remnants = [groups[1] for groups in grown if len(groups) == 2]
    deviation = 0.5 / math.sqrt(images)
    assert len(remnants) / images == pytest.approx(0.5, abs=4 * deviation)
    counts = Counter(len(remnant.centres) for remnant in remnants)
    assert set(counts) == {1, 2}
    assert counts[1] / len(remnants) == pytest.approx(0.5, abs=6 * deviation)
    kept = remnants[0]
    if stage == "hyphae":  # spores
        assert kept.disc_radius == 0.02
        assert kept.branches is None
        assert kept.colours[:, 2] == pytest.approx(0.5 * kept.centres[:, 1])
    else:  # hyphae, in the colours of the mycelium
        assert kept.disc_radius == 0.008
        assert kept.branches.level.max() == 2
        assert kept.colours[:, 1] == pytest.approx(0.5 * (1 - kept.centres[:, 1]))


@pytest.mark.parametrize(
    ("stage", "seconds", "paper", "code"),
    [
        ("spore", (0, 30), (300, 330), (300, 330)),
        ("hyphae", (30, 70), (330, 370), (330, 350)),
        ("mycelium", (70, 100), (370, 400), (350, 380)),
    ],
)
def test_times_and_temperatures(stage, seconds, paper, code):
    assert temperature_at(seconds[0], "paper") == paper[0]
    assert temperature_at(seconds[1] - 1e-9, "paper") == pytest.approx(paper[1])
    assert temperature_at(seconds[0], "code") == code[0]
    assert temperature_at(seconds[1] - 1e-9, "code") == pytest.approx(code[1])
    for seed in range(10):
        image, other = (
            draw_stage(stage, size=16, rng=np.random.default_rng(seed), temperature=ranges)
            for ranges in ("paper", "code")
        )
        assert image.stage == stage
        assert seconds[0] <= image.time < seconds[1]
        share = (image.time - seconds[0]) / (seconds[1] - seconds[0])
        assert image.temperature == pytest.approx(paper[0] + share * (paper[1] - paper[0]))
        assert other.temperature == pytest.approx(code[0] + share * (code[1] - code[0]))
        assert np.array_equal(image.pixels, other.pixels)


@pytest.mark.parametrize("stage", CLASSES)
def test_ink_is_the_same_at_every_size(stage):
    groups = grow_stage(stage, np.random.default_rng(5))
    pictures = [render(groups, size=size, points_per_edge=FIGURE_POINTS) for size in SIZES]
    assert [picture.shape for picture in pictures] == [(size, size, 3) for size in SIZES]
    blue = [1 - picture[..., 2].mean() / 255 for picture in pictures]
    assert blue == pytest.approx([blue[-1]] * len(blue), rel=0.03)


def test_same_generator_same_picture():
    def draw(seed):
        return draw_stage(
            "hyphae", size=64, rng=np.random.default_rng(seed), temperature="paper"
        ).pixels

    assert np.array_equal(draw(1), draw(1))
    assert not np.array_equal(draw(1), draw(2))


def test_branches_lie_over_all_discs():
    branching = Branching(length=0.5, width=40, depth=1, initial_branches=0)
    trunk = grow(np.array([[0.5, 0.5]]), branching, np.random.default_rng(0))
    middle = trunk.segments[0].reshape(2, 2).mean(axis=0)[None]
    red, blue = np.array([[1.0, 0, 0]]), np.array([[0, 0, 1.0]])
    groups = [
        Structures(np.array([[0.5, 0.5]]), 0.01, red, trunk),
        Structures(middle, 0.2, blue, None),
    ]
    pixels = render(groups, size=100, points_per_edge=720)
    x, y = middle[0]
    assert pixels[int((1 - y) * 100), int(x * 100)].tolist() == pytest.approx([204, 0, 51], abs=2)


def test_pictures_agree_with_matplotlib():
    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.collections import LineCollection

    size = 154  # 770 pixels at 100 dots per inch, averaged by 5
    for stage in CLASSES:
        groups = grow_stage(stage, np.random.default_rng(11))
        figure = pyplot.figure(figsize=(7.7, 7.7), dpi=100)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, 1), ylim=(0, 1))
        axes.axis("off")
        for group in groups:
            for centre, colour in zip(group.centres, group.colours, strict=True):
                axes.add_patch(pyplot.Circle(centre, group.disc_radius, color=colour))
            if group.branches is not None:
                lines = LineCollection(
                    group.branches.segments.reshape(-1, 2, 2),
                    linewidths=group.branches.widths,
                    colors=group.colours[group.branches.structure],
                    alpha=0.8,
                    capstyle="projecting",
                )
                axes.add_collection(lines)
        figure.canvas.draw()
        peer = np.asarray(
            Image.fromarray(np.asarray(figure.canvas.buffer_rgba())[..., :3]).reduce(5)
        )
        pyplot.close(figure)
        ours = render(groups, size=size, points_per_edge=FIGURE_POINTS)
        difference = np.abs(ours.astype(float) - peer.astype(float))
        inked = peer.min(axis=2) < 250
        assert difference.mean() < 0.6
        assert difference[inked].mean() < 2


# --- time-aligned colony ---


@pytest.mark.parametrize("seed", range(5))
def test_spores_are_gone_at_frame_29_and_hyphae_at_69(seed):
    frames = grow_colony(np.random.default_rng(seed)).frames
    assert len(frames) == 100
    assert all(
        len(frame.spores) + len(frame.hyphae) + len(frame.mycelium) == 20 for frame in frames
    )
    assert [len(frames[i].spores) for i in (9, 10, 28, 29)] == [20, 19, 1, 0]
    assert [len(frames[i].hyphae) for i in (9, 10, 29, 49, 50, 68, 69)] == [0, 1, 20, 20, 19, 1, 0]
    assert [len(frames[i].mycelium) for i in (49, 50, 69, 99)] == [0, 1, 20, 20]
    spans = {"spore": range(29), "hyphae": range(29, 69), "mycelium": range(69, 100)}
    for stage, span in spans.items():
        assert all(frames[index].stage == stage for index in span)


def test_only_spores_move_and_by_no_more_than_a_hundredth():
    frames = grow_colony(np.random.default_rng(0)).frames
    step = frames[1].spores - frames[0].spores
    assert np.abs(step).max() <= 0.01
    assert np.abs(step).max() > 0.005
    assert np.array_equal(frames[40].hyphae, frames[30].hyphae)
    # The spore that turns first is the first one, where it stood.
    assert np.abs(frames[10].hyphae[0] - frames[9].spores[0]).max() <= 0.01


def test_a_spore_frame_always_shows_a_spore():
    frames = grow_colony(np.random.default_rng(0)).frames
    assert [frames[i].visible_spores for i in (0, 1, 28)] == [20, 19, 1]
    assert all(frame.visible_spores >= 1 for frame in frames[:29])


def test_mycelium_grows_and_frames_are_seeded():
    colony = grow_colony(np.random.default_rng(0))

    def draw(frame, seed=1):
        return draw_frame(colony, frame, size=64, rng=np.random.default_rng(seed))

    first, late, last = draw(0), draw(75), draw(99)
    assert (first.stage, late.stage, last.stage) == ("spore", "mycelium", "mycelium")
    assert (first.time, last.time) == (0, 99)
    assert last.temperature == pytest.approx(399)
    cover = [1 - image.pixels[..., 2].mean() / 255 for image in (first, late, last)]
    assert cover[2] > 2 * cover[1]
    assert np.array_equal(draw(75).pixels, late.pixels)
    assert not np.array_equal(draw(75, seed=2).pixels, late.pixels)


def test_a_colony_needs_two_frames():
    with pytest.raises(ValueError, match="at least 2 frames"):
        grow_colony(np.random.default_rng(0), frames=1)


# --- encoded images ---


def world(**changes):
    settings = {"name": "fungi", "size": 32, "images_per_class": {"train": 3, "val": 1, "test": 2}}
    return FungiWorld.model_validate(settings | changes)


def test_keys_come_in_a_fixed_order():
    images = list(iterate(world(), seed=0))
    assert [image.key for image in images[:4]] == [
        "spore/train/000000",
        "spore/train/000001",
        "spore/train/000002",
        "hyphae/train/000000",
    ]
    assert [image.split for image in images] == ["train"] * 9 + ["val"] * 3 + ["test"] * 6
    assert len({image.key for image in images}) == len({image.jpg for image in images}) == 18
    for image in images:
        decoded = Image.open(io.BytesIO(image.jpg))
        assert (decoded.format, decoded.mode, decoded.size) == ("JPEG", "RGB", (32, 32))
        seconds = STAGES[image.label].seconds
        assert seconds.start <= image.extra["time_s"] <= seconds.end
        assert 300 <= image.extra["temperature_k"] <= 400


def test_an_image_depends_on_nothing_but_its_seed_and_place():
    images = {image.key: image.jpg for image in iterate(world(), seed=0)}
    fewer = world(images_per_class={"train": 1, "test": 2})
    for image in iterate(fewer, seed=0):
        assert images[image.key] == image.jpg
    for image in iterate(fewer, seed=1):
        assert images[image.key] != image.jpg


def test_workers_change_nothing():
    many = world(images_per_class={"train": 20, "val": 3, "test": 0}, size=16)
    assert list(iterate(many, seed=4, workers=2)) == list(iterate(many, seed=4))


def test_a_reader_that_stops_early_stops_the_workers():
    images = iterate(world(images_per_class={"train": 500}, size=16), seed=0, workers=1)
    parallel = iterate(world(images_per_class={"train": 500}, size=16), seed=0, workers=2)
    assert next(parallel) == next(images)
    assert multiprocessing.active_children()
    parallel.close()
    assert not multiprocessing.active_children()


def test_time_aligned_world_has_the_label_that_was_asked_for():
    images = list(iterate(world(growth="time_aligned"), seed=0))
    assert Counter(image.label for image in images) == dict.fromkeys(CLASSES, 6)
    spans = {"spore": (0, 28), "hyphae": (29, 68), "mycelium": (69, 99)}
    for image in images:
        first, last = spans[image.label]
        assert first <= image.extra["time_s"] <= last
    stages = {image.key: image.jpg for image in iterate(world(), seed=0)}
    assert all(stages[image.key] != image.jpg for image in images)
