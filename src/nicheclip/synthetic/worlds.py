"""Encoded images of a procedural world, one after the other, never as loose files.

The three classes of `fungi` are growth stages of a fungus, not taxa: all that taxonomy can say of
each is `KINGDOM`. The ranks below it are unknown and stay empty.
"""

import io
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from typing import Literal

from PIL import Image

from nicheclip.config.data import FungiWorld
from nicheclip.seeding import generator
from nicheclip.synthetic.fungi import CLASSES, FungiImage, StageName, draw_stage
from nicheclip.synthetic.raster import Pixels
from nicheclip.synthetic.time_aligned import draw_frame, grow_colony

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")

KINGDOM = "Fungi"
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
    label: StageName
    split: Split
    extra: dict[str, float]
    """``time_s`` (seconds) and ``temperature_k`` (kelvin)."""


@dataclass(frozen=True)
class _Place:
    """Where an image stands in its world: all that its content depends on, beside the seed."""

    label: StageName
    split: Split
    index: int


def iterate(world: FungiWorld, *, seed: int, workers: int = 1) -> Iterator[SyntheticImage]:
    """Every image of ``world``: by split, then by class, then by index.

    An image's bytes follow from ``seed``, its class, split and index alone. More than one worker
    draws in that many new processes; a script that asks for them must guard its own work with
    ``if __name__ == "__main__"``, because each process imports the script.
    """
    places = (
        _Place(label, split, index)
        for split in SPLITS
        for label in CLASSES
        for index in range(world.images_per_class.get(split, 0))
    )
    if workers <= 1:
        return (_make(world, seed, place) for place in places)
    return _in_processes(world, seed, places, workers)


def _in_processes(
    world: FungiWorld, seed: int, places: Iterator[_Place], workers: int
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


def _make_chunk(world: FungiWorld, seed: int, places: list[_Place]) -> list[SyntheticImage]:
    return [_make(world, seed, place) for place in places]


def _make(world: FungiWorld, seed: int, place: _Place) -> SyntheticImage:
    image = _draw(world, seed, place)
    return SyntheticImage(
        key=f"{place.label}/{place.split}/{place.index:06d}",
        jpg=_encode(image.pixels),
        label=place.label,
        split=place.split,
        extra={"time_s": image.time, "temperature_k": image.temperature},
    )


def _draw(world: FungiWorld, seed: int, place: _Place) -> FungiImage:
    rng = generator(seed, "fungi", place.label, place.split, place.index)
    if world.growth == "stages":
        return draw_stage(place.label, size=world.size, rng=rng, temperature=world.temperature)
    # A colony of its own for each image, so that no colony is in two splits.
    colony = grow_colony(rng)
    frame = int(rng.choice(colony.frames_of(place.label)))
    return draw_frame(colony, frame, size=world.size, rng=rng, temperature=world.temperature)


def _encode(pixels: Pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return buffer.getvalue()
