"""From a source to stored images and a row for each."""

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from nicheclip.config.data import ImageConfig, Source
from nicheclip.data.acquired import RowStream, acquired_row
from nicheclip.data.images import BadImageError, NormalisedImage, normalise
from nicheclip.data.parts import PartWriter, part_of
from nicheclip.data.sources.base import SourceImage
from nicheclip.data.sources.open import open_source
from nicheclip.runtime.files import atomic_path
from nicheclip.runtime.manifest import Dropped
from nicheclip.runtime.progress import progress
from nicheclip.schemas import ACQUIRED, DROPPED

#: images on their way through the threads, for each thread
IN_FLIGHT = 8


def image_id(source: str, key: str) -> str:
    """First 16 hex digits of sha256 over the data set's name, a zero byte and the key."""
    return hashlib.sha256(f"{source}\0{key}".encode()).hexdigest()[:16]


def acquire(
    name: str,
    config: Source,
    *,
    image: ImageConfig,
    seed: int,
    registry: Path,
    rows: Path,
    dropped: Path,
    images: Sequence[Path],
    workers: int = 1,
) -> dict[str, int]:
    """Read a data set once and write its images, and a row for each.

    Every image is decoded in full; bad ones are left out with a reason. Whether it repeats another
    and to which split it goes is for ``curate``. Memory does not grow with the number of images.
    Files appear under their names only when all of them are complete, and are the same bytes in
    every run, whatever ``workers``.

    Args:
        name: of the data set.
        config: of its source.
        image: how images are stored.
        seed: of synthetic worlds.
        registry: the folder of registry entries of data sets.
        rows: written, schema ``ACQUIRED``, in the order of the source.
        dropped: written, schema ``DROPPED``.
        images: written, schema ``IMAGES``; one file for each part.
        workers: threads that decode (Pillow works outside the interpreter's lock).

    Returns:
        How many images were written, and how many were left out.

    Raises:
        InputError: the source cannot be read.
    """
    source = open_source(name, config, registry=registry, seed=seed, workers=workers)
    with ExitStack() as files:
        paths = [files.enter_context(atomic_path(path)) for path in images]
        rows_path, dropped_path = (files.enter_context(atomic_path(p)) for p in (rows, dropped))
        with (
            PartWriter(paths) as writer,
            RowStream(rows_path, ACQUIRED) as kept,
            RowStream(dropped_path, DROPPED) as left_out,
        ):
            counts = {"images": 0, "left out": 0}
            checked = _checked(source, image, workers)
            for position, item in enumerate(progress(checked, label=f"acquire {name}")):
                if isinstance(item, Dropped):
                    counts["left out"] += 1
                    left_out.add({"position": position, **item.model_dump()})
                    continue
                counts["images"] += 1
                identity = image_id(name, item.image.key)
                part = part_of(identity, len(images))
                writer.write(part, identity, item.stored.jpg)
                kept.add(
                    acquired_row(
                        item.image,
                        item.stored,
                        position=position,
                        image_id=identity,
                        sha256=item.sha256,
                        part=part,
                    )
                )
    return counts


@dataclass(frozen=True)
class _Checked:
    image: SourceImage
    stored: NormalisedImage
    sha256: str


def _check(image: SourceImage, config: ImageConfig) -> _Checked | Dropped:
    if not image.label:
        return Dropped(key=image.key, reason="empty label")
    try:
        stored = normalise(image.data, config)
    except BadImageError as error:
        return Dropped(key=image.key, reason=str(error))
    return _Checked(image, stored, hashlib.sha256(image.data).hexdigest())


def _checked(
    items: Iterator[SourceImage | Dropped], config: ImageConfig, workers: int
) -> Iterator[_Checked | Dropped]:
    """Decoded images in the order of ``items``, a bounded number of them at once."""
    if workers == 1:
        for item in items:
            yield item if isinstance(item, Dropped) else _check(item, config)
        return
    pending: deque[Future[_Checked | Dropped] | Dropped] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                waiting = item if isinstance(item, Dropped) else pool.submit(_check, item, config)
                pending.append(waiting)
                if len(pending) > IN_FLIGHT * workers:
                    yield _result(pending.popleft())
            while pending:
                yield _result(pending.popleft())
        finally:
            pool.shutdown(cancel_futures=True)


def _result(item: Future[_Checked | Dropped] | Dropped) -> _Checked | Dropped:
    return item if isinstance(item, Dropped) else item.result()
