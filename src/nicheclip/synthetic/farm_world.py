"""The world ``farm``: what training sees, and the downstream tasks, which are other classes."""

from collections.abc import Mapping

from nicheclip.config.worlds import FarmWorld
from nicheclip.runtime.seeding import generator
from nicheclip.synthetic.farm_classes import farm_classes
from nicheclip.synthetic.farm_images import draw_farm
from nicheclip.synthetic.world_images import Place, Split, SyntheticImage, encode


def images_per_label(world: FarmWorld, seed: int) -> dict[str, Mapping[Split, int]]:
    """How many images each class has in each split."""
    del seed
    return dict.fromkeys(farm_classes(world.part), world.images_per_class)


def make(world: FarmWorld, seed: int, place: Place) -> SyntheticImage:
    """The image at ``place``."""
    one = farm_classes(world.part)[place.label]
    rng = generator(seed, "farm", world.part, place.label, place.split, place.index)
    return SyntheticImage(
        key=place.key,
        jpg=encode(draw_farm(one, size=world.size, rng=rng)),
        label=place.label,
        split=place.split,
        name=one.common,
        common=one.common,
        lineage=one.lineage,
    )
