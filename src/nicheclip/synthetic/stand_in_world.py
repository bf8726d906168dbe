"""The world ``stand_in``: drawn images in the place of a data set, for rehearsals."""

from collections.abc import Mapping
from functools import lru_cache

from nicheclip.config.worlds import StandInWorld
from nicheclip.runtime.seeding import generator
from nicheclip.synthetic.arbor_images import draw_specimen
from nicheclip.synthetic.arbor_tree import Species, grow_tree
from nicheclip.synthetic.world_images import Place, Split, SyntheticImage, encode

#: species that the stand-ins of one seed share, so that some are in several of them
SHARED_SPECIES = 36
DIFFICULTY = 0.5


def images_per_label(world: StandInWorld, seed: int) -> dict[str, Mapping[Split, int]]:
    """How many images each class has in each split."""
    return dict.fromkeys(_looks(world, seed), world.images_per_class)


@lru_cache(maxsize=4)
def _drawn(of: str, count: int, seed: int) -> tuple[Species, ...]:
    """``count`` species of the tree; which of them depends on the data set."""
    tree = grow_tree(max(SHARED_SPECIES, count), seed=seed)
    order = generator(seed, "stand-in", of).permutation(len(tree))[:count]
    return tuple(tree[place] for place in sorted(order.tolist()))


def _looks(world: StandInWorld, seed: int) -> dict[str, Species]:
    """The species as which each class is drawn."""
    species = _drawn(world.of, len(world.classes) or world.species, seed)
    labels = world.classes or [one.label for one in species]
    return dict(zip(labels, species, strict=True))


def make(world: StandInWorld, seed: int, place: Place) -> SyntheticImage:
    """The image at ``place``."""
    species = _looks(world, seed)[place.label]
    rng = generator(seed, "stand-in", world.of, place.label, place.split, place.index)
    pixels = draw_specimen(
        species.traits, size=world.size, rng=rng, difficulty=DIFFICULTY, field=False
    )
    named = world.classes.get(place.label)
    return SyntheticImage(
        key=place.key,
        jpg=encode(pixels),
        label=place.label,
        split=place.split,
        name=named or species.binomial,
        common="" if named else species.common,
        lineage={} if named else species.lineage,
    )
