"""The world ``arbor``: its classes are species with names at all seven ranks."""

from collections.abc import Mapping
from functools import lru_cache

from nicheclip.config.worlds import ArborWorld
from nicheclip.runtime.seeding import generator
from nicheclip.synthetic.arbor_images import draw_specimen
from nicheclip.synthetic.arbor_tree import Member, populate
from nicheclip.synthetic.world_images import Place, Split, SyntheticImage, encode


def images_per_label(world: ArborWorld, seed: int) -> dict[str, Mapping[Split, int]]:
    """How many images each species has in each split."""
    return {label: member.images for label, member in _members(world, seed).items()}


@lru_cache(maxsize=4)
def _members(world: ArborWorld, seed: int) -> dict[str, Member]:
    return {member.species.label: member for member in populate(world, seed=seed)}


def make(world: ArborWorld, seed: int, place: Place) -> SyntheticImage:
    """The image at ``place``."""
    species = _members(world, seed)[place.label].species
    twin = "field" if world.field else "arbor"
    pixels = draw_specimen(
        species.traits,
        size=world.size,
        rng=generator(seed, twin, place.label, place.split, place.index),
        difficulty=world.difficulty,
        field=world.field,
    )
    return SyntheticImage(
        key=place.key,
        jpg=encode(pixels),
        label=place.label,
        split=place.split,
        name=species.binomial,
        common=species.common,
        lineage=species.lineage,
    )
