"""Pictures of the world `arbor`: the same at every size, of individuals that vary, in the field."""

import io
from collections import Counter

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression

from nicheclip.config.worlds import ArborWorld
from nicheclip.evaluation.colour_histogram import colour_histogram
from nicheclip.runtime.seeding import generator
from nicheclip.synthetic.arbor_images import View, choose_habitat, draw_specimen
from nicheclip.synthetic.arbor_traits import LIMBS, PROPORTIONS, Traits
from nicheclip.synthetic.arbor_tree import grow_tree, populate
from nicheclip.synthetic.worlds import iterate

SMALL = {"train": 3, "val": 1, "test": 2}


def world(**changes):
    settings = {"name": "arbor", "size": 32, "species": 24, "images_per_species": SMALL}
    settings |= {"rare_species": 0.1, "held_out_genera": 0.1}
    return ArborWorld.model_validate(settings | changes)


# --- pictures ---


def test_images_come_with_their_names_and_in_a_fixed_order():
    images = list(iterate(world(), seed=0))
    splits = [image.split for image in images]
    assert splits == sorted(splits, key=["train", "val", "test"].index)
    assert len({image.key for image in images}) == len({image.jpg for image in images})
    members = {member.species.label: member for member in populate(world(), seed=0)}
    counts = Counter((image.label, image.split) for image in images)
    for label, member in members.items():
        for split, count in member.images.items():
            assert counts[label, split] == count
    for image in images:
        species = members[image.label].species
        assert image.name == species.binomial
        assert image.common == species.common
        assert image.lineage == species.lineage
        decoded = Image.open(io.BytesIO(image.jpg))
        assert (decoded.format, decoded.mode, decoded.size) == ("JPEG", "RGB", (32, 32))


def test_an_image_depends_on_nothing_but_its_seed_and_place():
    images = {image.key: image.jpg for image in iterate(world(), seed=0)}
    other_counts = world(tail=0, rare_species=0, held_out_genera=0)
    shared = [image for image in iterate(other_counts, seed=0) if image.key in images]
    assert len(shared) > 60
    assert all(images[image.key] == image.jpg for image in shared)


def test_workers_change_nothing():
    many = world(size=16, images_per_species={"train": 2, "val": 0, "test": 0})
    assert list(iterate(many, seed=4, workers=2)) == list(iterate(many, seed=4))


def draw(plan="crawler", seed=0, *, size=64, field=False, difficulty=0.5, **traits):
    rng = np.random.default_rng(seed)
    looks = Traits(plan=plan, **traits)
    return draw_specimen(looks, size=size, rng=rng, difficulty=difficulty, field=field)


@pytest.mark.parametrize("plan", LIMBS)
def test_the_same_picture_at_every_size(plan):
    traits = {"pattern": "spotted", "accent": "red", "colour": "white", "texture": "woolly"}
    pictures = {size: draw(plan, 7, size=size, **traits) for size in (16, 40, 97, 192)}
    for size, picture in pictures.items():
        assert picture.shape == (size, size, 3)
        assert picture.dtype == np.uint8
    small = [
        np.asarray(Image.fromarray(picture).resize((16, 16), Image.Resampling.BOX), dtype=float)
        for picture in pictures.values()
    ]
    likeness = [np.corrcoef(small[-1].ravel(), other.ravel())[0, 1] for other in small[:-1]]
    assert likeness[0] > 0.85  # with the noise of a sensor of 16 x 16 pixels
    assert min(likeness[1:]) > 0.95


@pytest.mark.parametrize("plan", LIMBS)
@pytest.mark.parametrize("limb_number", [0.0, 0.5, 1.0])
def test_the_extremes_of_every_plan_can_be_drawn_and_seen(plan, limb_number):
    extremes = dict.fromkeys(PROPORTIONS, limb_number)
    looks = {"colour": "white", "habitat": "forest", "difficulty": 0.0}
    light = draw(plan, 3, **looks, **extremes)
    dark = draw(plan, 3, **looks | {"colour": "black"}, **extremes)
    body = (light.astype(int) - dark).mean(axis=2) > 50
    assert 0.02 < body.mean() < 0.7


@pytest.mark.parametrize("field", [False, True])
def test_same_generator_same_picture(field):
    assert np.array_equal(draw(seed=1, field=field), draw(seed=1, field=field))
    assert not np.array_equal(draw(seed=1, field=field), draw(seed=2, field=field))


@pytest.mark.parametrize(
    "change", [{"pattern": "banded"}, {"pattern": "spotted"}, {"texture": "glossy"}]
)
def test_pattern_and_texture_lie_on_the_body_only(change):
    looks = {"colour": "brown", "accent": "white", "difficulty": 0.0}
    plain, marked = draw("star", 5, **looks), draw("star", 5, **looks | change)
    other_body = draw("star", 5, **looks | {"colour": "yellow"})
    body = np.abs(other_body.astype(int) - plain).max(axis=2) > 40
    changed = np.abs(marked.astype(int) - plain).max(axis=2) > 60
    assert changed.sum() > 0.05 * body.sum()
    assert (changed & ~body).sum() <= 0.05 * changed.sum()


def test_difficulty_makes_pictures_of_a_species_vary():
    def spread(difficulty):
        pictures = [draw("star", seed, difficulty=difficulty) for seed in range(30)]
        return np.std([picture.mean(axis=(0, 1)) for picture in pictures], axis=0).mean()

    assert spread(0.0) < spread(0.5) < spread(1.0)


@pytest.mark.parametrize(
    ("difficulty", "field", "expected"), [(0, False, 1), (1, False, 1 / 3), (1, True, 0.25)]
)
def test_species_stray_from_their_habitat(difficulty, field, expected):
    # at home by intent (1, 0.2, 0.1), or by one chance in six
    rng = np.random.default_rng(0)
    view = View(difficulty, field)
    found = [choose_habitat(Traits(habitat="reef"), view, rng) for _ in range(3000)]
    assert np.mean([habitat == "reef" for habitat in found]) == pytest.approx(expected, abs=0.03)


def test_the_field_has_the_same_species_in_other_pictures():
    home, field = (list(iterate(world(field=flag), seed=0)) for flag in (False, True))
    assert [(a.key, a.common, a.lineage) for a in home] == [
        (b.key, b.common, b.lineage) for b in field
    ]
    assert not {image.jpg for image in home} & {image.jpg for image in field}

    def statistics(images):
        stack = np.stack([np.asarray(Image.open(io.BytesIO(i.jpg)), dtype=float) for i in images])
        red, green, blue = stack.mean(axis=(0, 1, 2))
        contrast = stack.std(axis=(1, 2)).mean()
        return red / green, blue / green, stack.mean(), contrast

    at_home, in_field = statistics(home), statistics(field)
    assert in_field[0] < 0.95 * at_home[0]  # less red
    assert in_field[2] < 0.95 * at_home[2]  # darker
    assert in_field[3] < 0.9 * at_home[3]  # flatter


def test_colours_alone_do_not_solve_it():
    tree = grow_tree(48, seed=0)[::3]
    histograms, species = [], []
    for number, one in enumerate(tree):
        for index in range(24):
            rng = generator("difficulty", one.label, index)
            pixels = draw_specimen(one.traits, size=32, rng=rng, difficulty=0.5, field=False)
            buffer = io.BytesIO()
            Image.fromarray(pixels).save(buffer, "PNG")
            histograms.append(colour_histogram(buffer.getvalue()))
            species.append(number)
    judged = np.arange(len(species)) % 24 >= 16
    species = np.array(species)
    classifier = LogisticRegression(C=10.0, max_iter=300)
    classifier.fit(np.array(histograms)[~judged], species[~judged])
    accuracy = classifier.score(np.array(histograms)[judged], species[judged])
    assert 1 / 16 < accuracy < 0.6
