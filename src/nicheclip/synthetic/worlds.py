"""Encoded images of a procedural world, one after the other, never as loose files.

The three classes of `fungi` are growth stages, not taxa, so their ranks stay empty. The classes of
`arbor` are species with names at all seven ranks.
"""

import io
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from multiprocessing import get_context
from typing import Literal

from PIL import Image

from nicheclip.config.data import ArborWorld, FungiWorld
from nicheclip.runtime.seeding import generator
from nicheclip.synthetic.arbor_images import draw_specimen
from nicheclip.synthetic.arbor_tree import Member, populate
from nicheclip.synthetic.fungi import CLASSES, FungiImage, StageName, draw_stage
from nicheclip.synthetic.raster import Pixels
from nicheclip.synthetic.time_aligned import draw_frame, grow_colony

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")

CLASS_NAMES: dict[str, str] = {
    "spore": "fungal spores",
    "hyphae": "fungal hyphae",
    "mycelium": "fungal mycelium",
}
"""What each class is called in plain words."""

JPEG_QUALITY = 95
IMAGES_PER_CHUNK = 16
CHUNKS_PER_WORKER = 2  # handed out ahead of the reader, so that memory does not grow with the world


@dataclass(frozen=True)
class SyntheticImage:
    """One encoded image."""

    key: str
    """``<label>/<split>/<index>``."""
    jpg: bytes
    label: str
    """The class id."""
    split: Split
    name: str
    """What the class is called: in plain words, or a binomial."""
    common: str = ""
    lineage: Mapping[str, str] = field(default_factory=dict)
    """Names by rank, the epithet alone under ``species``; empty in `fungi`."""
    extra: Mapping[str, float] = field(default_factory=dict)
    """In `fungi` ``time_s`` (seconds) and ``temperature_k`` (kelvin)."""


@dataclass(frozen=True)
class _Place:
    """Where an image stands in its world: all that its content depends on, beside the seed."""

    label: str
    split: Split
    index: int

    @property
    def key(self) -> str:
        return f"{self.label}/{self.split}/{self.index:06d}"


World = FungiWorld | ArborWorld


def iterate(world: World, *, seed: int, workers: int = 1) -> Iterator[SyntheticImage]:
    """Every image of ``world``: by split, then by class, then by index.

    An image's bytes follow from ``seed``, its class, split and index alone. More than one worker
    draws in that many new processes; a script that asks for them must guard its own work with
    ``if __name__ == "__main__"``, because each process imports the script.

    Raises:
        InputError: the world holds out more of its tree than there is.
    """
    places = _places(world, seed)
    if workers <= 1:
        return (_make(world, seed, place) for place in places)
    return _in_processes(world, seed, places, workers)


def _places(world: World, seed: int) -> Iterator[_Place]:
    if isinstance(world, FungiWorld):
        images: dict[str, Mapping[Split, int]] = dict.fromkeys(CLASSES, world.images_per_class)
    else:
        images = {label: one.images for label, one in _members(world, seed).items()}
    return (
        _Place(label, split, index)
        for split in SPLITS
        for label, of_split in images.items()
        for index in range(of_split.get(split, 0))
    )


@lru_cache(maxsize=4)
def _members(world: ArborWorld, seed: int) -> dict[str, Member]:
    return {member.species.label: member for member in populate(world, seed=seed)}


def _in_processes(
    world: World, seed: int, places: Iterator[_Place], workers: int
) -> Iterator[SyntheticImage]:
    pending: deque[Future[list[SyntheticImage]]] = deque()
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        try:
            while chunk := list(islice(places, IMAGES_PER_CHUNK)):
                pending.append(pool.submit(_make_chunk, world, seed, chunk))
                if len(pending) >= workers * CHUNKS_PER_WORKER:
                    yield from pending.popleft().result()
            while pending:
                yield from pending.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _make_chunk(world: World, seed: int, places: list[_Place]) -> list[SyntheticImage]:
    return [_make(world, seed, place) for place in places]


def _make(world: World, seed: int, place: _Place) -> SyntheticImage:
    if isinstance(world, FungiWorld):
        return _make_fungi(world, seed, place)
    return _make_arbor(world, seed, place)


def _make_fungi(world: FungiWorld, seed: int, place: _Place) -> SyntheticImage:
    image = _draw_fungi(world, seed, place)
    return SyntheticImage(
        key=place.key,
        jpg=_encode(image.pixels),
        label=place.label,
        split=place.split,
        name=CLASS_NAMES[image.stage],
        extra={"time_s": image.time, "temperature_k": image.temperature},
    )


def _draw_fungi(world: FungiWorld, seed: int, place: _Place) -> FungiImage:
    rng = generator(seed, "fungi", place.label, place.split, place.index)
    stage: StageName = next(stage for stage in CLASSES if stage == place.label)
    if world.growth == "stages":
        return draw_stage(stage, size=world.size, rng=rng, temperature=world.temperature)
    # A colony of its own for each image, so that no colony is in two splits.
    colony = grow_colony(rng)
    frame = int(rng.choice(colony.frames_of(stage)))
    return draw_frame(colony, frame, size=world.size, rng=rng, temperature=world.temperature)


def _make_arbor(world: ArborWorld, seed: int, place: _Place) -> SyntheticImage:
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
        jpg=_encode(pixels),
        label=place.label,
        split=place.split,
        name=species.binomial,
        common=species.common,
        lineage=species.lineage,
    )


def _encode(pixels: Pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return buffer.getvalue()
