"""The world ``fungi``: growth stages, which are not taxa, so their ranks stay empty."""

from collections.abc import Mapping

from nicheclip.config.worlds import FungiWorld
from nicheclip.runtime.seeding import generator
from nicheclip.synthetic.fungi import CLASSES, FungiImage, StageName, draw_stage
from nicheclip.synthetic.time_aligned import draw_frame, grow_colony
from nicheclip.synthetic.world_images import Place, Split, SyntheticImage, encode

CLASS_NAMES: dict[str, str] = {
    "spore": "fungal spores",
    "hyphae": "fungal hyphae",
    "mycelium": "fungal mycelium",
}
"""What each class is called in plain words."""


def images_per_label(world: FungiWorld, seed: int) -> dict[str, Mapping[Split, int]]:
    """How many images each class has in each split."""
    del seed
    return dict.fromkeys(CLASSES, world.images_per_class)


def make(world: FungiWorld, seed: int, place: Place) -> SyntheticImage:
    """The image at ``place``."""
    image = _draw(world, seed, place)
    return SyntheticImage(
        key=place.key,
        jpg=encode(image.pixels),
        label=place.label,
        split=place.split,
        name=CLASS_NAMES[image.stage],
        extra={"time_s": image.time, "temperature_k": image.temperature},
    )


def _draw(world: FungiWorld, seed: int, place: Place) -> FungiImage:
    rng = generator(seed, "fungi", place.label, place.split, place.index)
    stage: StageName = next(stage for stage in CLASSES if stage == place.label)
    if world.growth == "stages":
        return draw_stage(stage, size=world.size, rng=rng, temperature=world.temperature)
    # A colony of its own for each image, so that no colony is in two splits.
    colony = grow_colony(rng)
    frame = int(rng.choice(colony.frames_of(stage)))
    return draw_frame(colony, frame, size=world.size, rng=rng, temperature=world.temperature)
