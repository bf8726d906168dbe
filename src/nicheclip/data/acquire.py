"""From a part of a source to stored images and a row for each."""

import hashlib
import shutil
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from nicheclip.config.data import ImageConfig
from nicheclip.data.acquired import acquired_row, write_with_places
from nicheclip.data.image_tars import ImageTars
from nicheclip.data.images import BadImageError, NormalisedImage, normalise
from nicheclip.data.row_stream import RowStream
from nicheclip.data.sources.base import Item, SourceImage
from nicheclip.runtime.files import atomic_path
from nicheclip.runtime.manifest import Dropped
from nicheclip.runtime.progress import progress
from nicheclip.schemas import ACQUIRED, DROPPED

#: images on their way through the threads, for each thread
IN_FLIGHT = 8


def image_id(source: str, key: str) -> str:
    """First 16 hex digits of sha256 over the data set's name, a zero byte and the key."""
    return hashlib.sha256(f"{source}\0{key}".encode()).hexdigest()[:16]


@dataclass(frozen=True)
class PartFiles:
    """What acquiring a part writes."""

    rows: Path
    """Schema ``ACQUIRED``, in the order of the source."""
    dropped: Path
    """Schema ``DROPPED``."""
    tars: list[Path]
    """The images; see ``image_tars``."""
    first_tar: int = 0
    """Number of the first tar among those of all parts."""

    @classmethod
    def of(cls, folder: Path, *, part: int, tars: int) -> "PartFiles":
        """The files of ``part``, with ``tars`` tars, in its folder."""
        numbers = range(part * tars, (part + 1) * tars)
        return cls(
            folder / "rows.parquet",
            folder / "dropped.parquet",
            [folder / f"images/{number:05d}.tar" for number in numbers],
            numbers.start,
        )


def acquire(
    name: str,
    items: Iterable[Item],
    *,
    image: ImageConfig,
    files: PartFiles,
    workers: int = 1,
) -> dict[str, int]:
    """Read a part of a data set once and write its images, and a row for each.

    Every image is decoded in full; bad ones are left out with a reason. Whether it repeats another
    and to which split it goes is for ``curate``. Memory is 32 bytes for each image. Files appear
    under their names only when all of them are complete, and are the same bytes in every run,
    whatever ``workers``.

    Args:
        name: of the data set.
        items: of the part.
        image: how images are stored.
        files: written.
        workers: threads that decode (Pillow works outside the interpreter's lock).

    Returns:
        How many images were written, and how many were left out.

    Raises:
        InputError: the source cannot be read.
    """
    _remove_left_overs(files)
    counts = {"images": 0, "left out": 0}
    with ExitStack() as stack:
        enter = stack.enter_context
        tar_paths = [enter(atomic_path(path)) for path in files.tars]
        rows_path, dropped_path = enter(atomic_path(files.rows)), enter(atomic_path(files.dropped))
        spool = Path(enter(tempfile.TemporaryDirectory(prefix=".rows-", dir=files.rows.parent)))
        tars = enter(ImageTars(tar_paths, spool))
        with RowStream(spool / "rows", ACQUIRED) as kept, RowStream(dropped_path, DROPPED) as left:
            checked = _checked(items, image, workers)
            for place, item in progress(checked, label=f"acquire {name}"):
                if isinstance(item, Dropped):
                    counts["left out"] += 1
                    left.add({"position": place, **item.model_dump()})
                    continue
                counts["images"] += 1
                identity = image_id(name, item.image.key)
                tars.add(identity, item.stored.encoded)
                row = acquired_row(item.image, item.stored, place, identity, item.sha256)
                kept.add(row)
        write_with_places(spool / "rows", rows_path, tars.finish(), first_tar=files.first_tar)
    return counts


def _remove_left_overs(files: PartFiles) -> None:
    """Temporary files of a job that was killed; this job alone writes the part."""
    for folder in {files.rows.parent, *(tar.parent for tar in files.tars)}:
        for path in folder.glob(".*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


@dataclass(frozen=True)
class _Checked:
    image: SourceImage
    stored: NormalisedImage
    sha256: str


def _check(item: Item, config: ImageConfig) -> tuple[int, _Checked | Dropped]:
    place, image = item
    if isinstance(image, Dropped):
        return place, image
    if not image.label:
        return place, Dropped(key=image.key, reason="empty label")
    try:
        stored = normalise(image.data, config)
    except BadImageError as error:
        return place, Dropped(key=image.key, reason=str(error))
    return place, _Checked(image, stored, hashlib.sha256(image.data).hexdigest())


def _checked(
    items: Iterable[Item], config: ImageConfig, workers: int
) -> Iterator[tuple[int, _Checked | Dropped]]:
    """Decoded images in the order of ``items``, a bounded number of them at once."""
    if workers == 1:
        yield from (_check(item, config) for item in items)
        return
    pending: deque[Future[tuple[int, _Checked | Dropped]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                pending.append(pool.submit(_check, item, config))
                if len(pending) > IN_FLIGHT * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
