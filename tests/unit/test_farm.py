"""The world `farm`: its images, its classes, and that no task was seen in training."""

import io
from itertools import product

import numpy as np
import pytest
from PIL import Image

from nicheclip.config.worlds import FarmWorld
from nicheclip.data.perceptual_hash import perceptual_hash
from nicheclip.synthetic.farm_classes import farm_classes
from nicheclip.synthetic.worlds import iterate

PARTS = ("training", "tasks")


def images(part, seed=0, count=2, size=48):
    world = FarmWorld(name="farm", part=part, size=size, images_per_class={"test": count})
    return list(iterate(world, seed=seed))


@pytest.fixture(scope="module")
def both():
    return {part: images(part) for part in PARTS}


def test_classes_of_the_tasks_are_others_in_name_and_look():
    training, tasks = (farm_classes(part) for part in PARTS)
    assert len(training) == 78 and len(tasks) == 26
    assert not training.keys() & tasks.keys()
    common = [one.common for one in (*training.values(), *tasks.values())]
    assert len(set(common)) == len(common)

    def looks(classes):
        # cattle and horses have any colour of their own; leaves and fruit have their crop's
        return {
            (
                one.form,
                one.pattern,
                one.mark,
                one.ground if one.form in ("beast", "fish") else "",
            )
            for one in classes.values()
        }

    assert not looks(training) & looks(tasks)


def test_each_pattern_and_colour_of_a_task_is_in_training_in_another_combination():
    training, tasks = (farm_classes(part).values() for part in PARTS)
    for one, key in product(tasks, ("pattern", "mark")):
        assert any(
            other.form == one.form and getattr(other, key) == getattr(one, key)
            for other in training
        )


def test_a_task_is_the_classes_of_one_taxon():
    by_genus = {}
    for one in farm_classes("tasks").values():
        by_genus.setdefault(one.lineage["genus"], []).append(one)
    assert {genus: len(found) for genus, found in by_genus.items()} == {
        "Musa": 5, "Phaseolus": 5, "Bos": 4, "Equus": 4, "Sparus": 4, "Citrus": 4,
    }  # fmt: skip
    for found in by_genus.values():
        assert len({one.pattern for one in found}) == len(found)


def test_an_image_follows_from_the_seed_alone(both):
    again = images("tasks", count=1)
    first = {one.key: one.jpg for one in both["tasks"]}
    assert all(first[one.key] == one.jpg for one in again)
    other = images("tasks", seed=1, count=1)
    assert not any(first[one.key] == one.jpg for one in other)


@pytest.mark.parametrize("size", [16, 48, 130])
def test_any_size_can_be_drawn(size):
    found = images("training", count=1, size=size)[0]
    assert Image.open(io.BytesIO(found.jpg)).size == (size, size)


def test_each_image_shows_the_colour_of_its_pattern(both):
    for one in both["training"]:
        pixels = np.asarray(Image.open(io.BytesIO(one.jpg)), dtype=float)
        assert pixels.shape == (48, 48, 3) and pixels.std() > 12


def test_no_image_of_a_task_is_near_one_of_training(both):
    hashes = {
        part: [perceptual_hash(Image.open(io.BytesIO(one.jpg))) for one in found]
        for part, found in both.items()
    }
    nearest = min((a ^ b).bit_count() for a, b in product(hashes["training"], hashes["tasks"]))
    assert nearest > 4
