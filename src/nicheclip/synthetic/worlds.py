"""The images of a procedural world, one after the other, never as loose files."""

from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from importlib import import_module
from itertools import islice
from multiprocessing import get_context
from typing import Protocol

from nicheclip.config.worlds import ArborWorld, FarmWorld, FungiWorld, StandInWorld
from nicheclip.synthetic.world_images import SPLITS, Place, Split, SyntheticImage

IMAGES_PER_CHUNK = 16
CHUNKS_PER_WORKER = 2  # handed out ahead of the reader, so that memory does not grow with the world

World = FungiWorld | ArborWorld | FarmWorld | StandInWorld


class WorldModule(Protocol):
    """What the module ``<name>_world`` of a world has."""

    def images_per_label(self, world: World, seed: int) -> Mapping[str, Mapping[Split, int]]:
        """How many images each class has in each split."""
        ...

    def make(self, world: World, seed: int, place: Place) -> SyntheticImage:
        """The image at ``place``."""
        ...


def _module(world: World) -> WorldModule:
    """By name, so that a change of one world makes no data set of another stale."""
    module: WorldModule = import_module(f"nicheclip.synthetic.{world.name}_world")
    return module


def iterate(
    world: World, *, seed: int, workers: int = 1, first: int = 0, step: int = 1
) -> Iterator[SyntheticImage]:
    """Images of ``world``: by split, then by class, then by index.

    An image's bytes follow from ``seed``, its class, split and index alone. More than one worker
    draws in that many new processes; a script that asks for them must guard its own work with
    ``if __name__ == "__main__"``, because each process imports the script.

    Args:
        world: its config.
        seed: see above.
        workers: processes that draw.
        first: number of the first image in that order.
        step: every so many are drawn; 1: all.

    Raises:
        InputError: the world holds out more of its tree than there is.
    """
    places = islice(_places(world, seed), first, None, step)
    if workers <= 1:
        return (_make(world, seed, place) for place in places)
    return _in_processes(world, seed, places, workers)


def _places(world: World, seed: int) -> Iterator[Place]:
    images = _module(world).images_per_label(world, seed)
    return (
        Place(label, split, index)
        for split in SPLITS
        for label, of_split in images.items()
        for index in range(of_split.get(split, 0))
    )


def _in_processes(
    world: World, seed: int, places: Iterator[Place], workers: int
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


def _make_chunk(world: World, seed: int, places: list[Place]) -> list[SyntheticImage]:
    return [_make(world, seed, place) for place in places]


def _make(world: World, seed: int, place: Place) -> SyntheticImage:
    return _module(world).make(world, seed, place)
