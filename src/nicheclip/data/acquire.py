"""From a source to stored images, a catalog and classes."""

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from nicheclip.config.data import DatasetConfig, ImageConfig
from nicheclip.data.catalog import CatalogBuilder
from nicheclip.data.images import BadImageError, NormalisedImage, normalise
from nicheclip.data.parts import PartWriter
from nicheclip.data.sources.base import SourceImage
from nicheclip.data.sources.open import open_source
from nicheclip.runtime.files import atomic_path
from nicheclip.runtime.manifest import Dropped
from nicheclip.runtime.progress import progress
from nicheclip.terms import SPLITS

#: images on their way through the threads, for each thread
IN_FLIGHT = 8


@dataclass(frozen=True)
class AcquireReport:
    """What was kept and what was not."""

    counts: dict[str, int]
    """Images, classes, images of each split, and converted images by what was changed."""
    dropped: list[Dropped]


def acquire(
    name: str,
    config: DatasetConfig,
    *,
    seed: int,
    registry: Path,
    catalog: Path,
    classes: Path,
    images: Sequence[Path],
    workers: int = 1,
) -> AcquireReport:
    """Read a data set once and write its images, catalog and classes.

    Every image is decoded in full; bad ones and repeated bytes are dropped with a reason. Files
    appear under their names only when all of them are complete, and are the same bytes in every
    run, whatever ``workers``. A class keeps the ranks on which all its images agree.

    Args:
        name: of the data set.
        config: its config.
        seed: of splits and synthetic worlds.
        registry: the folder of registry entries of data sets.
        catalog: written, schema ``CATALOG``, by image id.
        classes: written, schema ``CLASSES``, by class id.
        images: written, schema ``IMAGES``; one file for each of ``config.shards`` parts.
        workers: threads that decode (Pillow works outside the interpreter's lock).

    Raises:
        InputError: the source cannot be read, names a key twice, lacks a split that must be given,
            or leaves fewer than two classes.
    """
    if len(images) != config.shards:
        raise ValueError(f"{len(images)} image files for {config.shards} shards")
    builder = CatalogBuilder(name, config.split, config.shards)
    source = open_source(name, config.source, registry=registry, seed=seed, workers=workers)
    with ExitStack() as files:
        parts = [files.enter_context(atomic_path(path)) for path in images]
        catalog_path = files.enter_context(atomic_path(catalog))
        classes_path = files.enter_context(atomic_path(classes))
        with PartWriter(parts) as writer:
            checked = _checked(source, config.image, workers)
            for item in progress(checked, label=f"acquire {name}"):
                if isinstance(item, Dropped):
                    builder.drop(item)
                elif place := builder.add(item.image, item.stored, item.sha256):
                    writer.write(*place, item.stored.jpg)
        table = builder.catalog(seed=seed)
        pq.write_table(table, catalog_path, compression="zstd")
        pq.write_table(builder.classes(), classes_path, compression="zstd")
    counts = {"images": table.num_rows, "classes": builder.classes().num_rows}
    splits = table["split"].to_pylist()
    counts |= {split: splits.count(split) for split in SPLITS}
    counts |= {f"converted: {what}": n for what, n in sorted(builder.converted.items())}
    return AcquireReport(counts, builder.dropped)


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
