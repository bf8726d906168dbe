"""Encoded images spread over a fixed number of Parquet files, in bounded memory."""

import resource
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.parquet as pq

from nicheclip.runtime.errors import InputError
from nicheclip.runtime.seeding import stable_hash
from nicheclip.schemas import IMAGES

#: encoded images held in memory over all parts
BUFFER_BYTES = 512 << 20
#: a row group is written at this size at the latest
ROW_GROUP_BYTES = 16 << 20
#: files that a process keeps open besides the parts
OTHER_FILES = 64


def part_of(image_id: str, parts: int) -> int:
    """The part that holds an image, from its id only."""
    return stable_hash("part", image_id) % parts


class PartWriter:
    """Writes images to their parts in the order in which they come.

    Row groups end by the size of what the part has received, so that the files depend on the
    images and their order only.

    Raises:
        InputError: the system does not allow that many open files.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        _allow_open_files(len(paths) + OTHER_FILES)
        self._limit = min(ROW_GROUP_BYTES, BUFFER_BYTES // max(1, len(paths)))
        self._rows: list[list[tuple[str, bytes]]] = [[] for _ in paths]
        self._bytes = [0] * len(paths)
        self._writers = [
            # jpg does not compress further, and its statistics would be image bytes
            pq.ParquetWriter(
                path,
                IMAGES,
                compression={"image_id": "zstd", "jpg": "none"},
                use_dictionary=False,
                write_statistics=["image_id"],
            )
            for path in paths
        ]

    def write(self, part: int, image_id: str, jpg: bytes) -> None:
        """Add an image to ``part``."""
        self._rows[part].append((image_id, jpg))
        self._bytes[part] += len(jpg)
        if self._bytes[part] >= self._limit:
            self._flush(part)

    def __enter__(self) -> "PartWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for part, writer in enumerate(self._writers):
            if kind is None and self._rows[part]:
                self._flush(part)
            writer.close()

    def _flush(self, part: int) -> None:
        ids, images = zip(*self._rows[part], strict=True)
        batch = pa.record_batch([pa.array(ids), pa.array(images, pa.binary())], schema=IMAGES)
        self._writers[part].write_batch(batch)
        self._rows[part], self._bytes[part] = [], 0


def _allow_open_files(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if count <= soft or soft == resource.RLIM_INFINITY:
        return
    if hard != resource.RLIM_INFINITY and count > hard:
        raise InputError(
            f"'shards' asks for {count - OTHER_FILES} files at once, but this system allows a "
            f"process {hard}. Use at most {hard - OTHER_FILES} shards."
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
