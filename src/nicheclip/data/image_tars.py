"""The tars of one part of a data set's images, in bounded memory.

``<image_id>.jpg`` or ``<image_id>.png`` is a member of one tar, in the order of a hash of the ids,
so that classes mix. That order is known only when all images are there: until then they lie in a
spool for each tar.
"""

import os
import resource
import shutil
import tarfile
import tempfile
from array import array
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nicheclip.runtime.errors import InputError
from nicheclip.runtime.seeding import stable_hash

#: bytes of a member's header, and what members are padded to
TAR_BLOCK = 512
#: files that a process keeps open besides the spools
OTHER_FILES = 64


def tar_of(image_id: str, tars: int) -> int:
    """The tar of its part that holds an image, from its id only."""
    return stable_hash("part", image_id) % tars


def suffix(encoded: bytes) -> str:
    """``jpg`` or ``png``: one of the two formats that ``images.normalise`` gives."""
    return "png" if encoded.startswith(b"\x89PNG") else "jpg"


def member_name(image_id: str, encoded: bytes) -> str:
    """What an image is called in its tar."""
    return f"{image_id}.{suffix(encoded)}"


def _blank_header() -> bytes:
    info = tarfile.TarInfo()
    info.mode = 0o444
    info.uname = info.gname = "nicheclip"
    return info.tobuf(tarfile.USTAR_FORMAT)


_BLANK_HEADER = _blank_header()


def member_header(name: str, size: int) -> bytes:
    """What ``tarfile`` writes before a member (POSIX.1-1988, ustar), in a tenth of its time.

    Args:
        name: ASCII, of at most 100 characters.
        size: of the member, in bytes.
    """
    header = bytearray(_BLANK_HEADER)
    header[: len(name)] = name.encode()
    header[124:135] = b"%011o" % size
    header[148:156] = b" " * 8  # the checksum counts itself as spaces
    header[148:155] = b"%06o\0" % sum(header)
    return bytes(header)


class Places(NamedTuple):
    """Where images lie, in the order in which they were added."""

    tar: NDArray[np.int32]
    """Number of the tar among those of the part."""
    offset: NDArray[np.int64]
    """Of the encoded image, in bytes."""
    size: NDArray[np.int32]


class ImageTars:
    """Takes images as they come; ``finish`` writes the tars.

    The same images in the same order give the same bytes. Memory is 32 bytes for each image.

    Raises:
        InputError: the system does not allow that many open files.
    """

    def __init__(self, paths: Sequence[Path], spool: Path) -> None:
        """Open the spools.

        Args:
            paths: of the tars.
            spool: a folder on a disk that can hold all images, and beside them one tar at a time.
        """
        _allow_open_files(len(paths) + OTHER_FILES)
        self._paths = paths
        self._folder = Path(tempfile.mkdtemp(prefix=".spool-", dir=spool))
        self._spools = [(self._folder / f"{i}").open("w+b") for i in range(len(paths))]
        self._ids, self._tars, self._sizes = array("Q"), array("i"), array("i")

    def add(self, image_id: str, encoded: bytes) -> None:
        """Add an image."""
        tar = tar_of(image_id, len(self._paths))
        self._spools[tar].write(encoded)
        self._ids.append(int(image_id, 16))
        self._tars.append(tar)
        self._sizes.append(len(encoded))

    def finish(self) -> Places:
        """Write the tars; say where each image lies."""
        ids = np.asarray(self._ids, np.uint64)
        tars, sizes = np.asarray(self._tars, np.int32), np.asarray(self._sizes, np.int32)
        offsets = np.zeros(len(ids), np.int64)
        for number, path in enumerate(self._paths):
            rows = np.flatnonzero(tars == number)
            offsets[rows] = self._write(number, path, ids[rows], sizes[rows])
            self._spools[number].truncate(0)  # its images lie twice on the disk, others no longer
        return Places(tars, offsets, sizes)

    def _write(
        self, number: int, path: Path, ids: NDArray[np.uint64], sizes: NDArray[np.int32]
    ) -> NDArray[np.int64]:
        """Write one tar; returns the offsets of its images in the order of the spool."""
        names = [f"{int(one):016x}" for one in ids]
        order = sorted(range(len(names)), key=lambda i: stable_hash("shard order", names[i]))
        lengths = sizes.tolist()
        starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).tolist()
        offsets = np.zeros(len(names), np.int64)
        self._spools[number].flush()
        spool = self._spools[number].fileno()
        end = 0
        with path.open("wb") as tar:
            for i in order:
                encoded, padding = os.pread(spool, lengths[i], starts[i]), -lengths[i] % TAR_BLOCK
                tar.write(member_header(member_name(names[i], encoded), lengths[i]))
                tar.write(encoded)
                tar.write(bytes(padding))
                offsets[i] = end + TAR_BLOCK
                end += TAR_BLOCK + lengths[i] + padding
            blank = end + 2 * TAR_BLOCK
            tar.write(bytes(blank - end + -blank % tarfile.RECORDSIZE))
        return offsets

    def __enter__(self) -> "ImageTars":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for spool in self._spools:
            spool.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _allow_open_files(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if count <= soft or soft == resource.RLIM_INFINITY:
        return
    if hard != resource.RLIM_INFINITY and count > hard:
        raise InputError(
            f"'shards' asks for {count - OTHER_FILES} files at once, but this system allows a "
            f"process {hard}. Use at most {hard - OTHER_FILES} shards for each part."
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
