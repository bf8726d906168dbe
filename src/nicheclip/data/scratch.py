"""Copies of images on a node's own disk, for the time of a job."""

import contextlib
import hashlib
import logging
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nicheclip.data.image_set import ImageSet, has_images
from nicheclip.data.labels import Labels
from nicheclip.runtime.files import sha256_file
from nicheclip.runtime.locks import LockedError, lock, locked
from nicheclip.runtime.paths import expand_path

log = logging.getLogger(__name__)

#: a user's own: nodes are shared
PREFIX = f"nicheclip-{os.getuid()}-"
#: holds the lock, where nobody else can hold it or put a link in its place
PRIVATE = f".nicheclip-{os.getuid()}"
LOCK = ".lock"
SPLITS = ("train", "val")
BLOCK = 2**22  # bytes


@contextmanager
def on_scratch(data: Path, scratch: str | None) -> Iterator[Path]:
    """While entered, a copy of the images of training below ``scratch``, or ``data`` itself.

    Copies are compared with what was read, and removed at the end; those of jobs that were killed
    are removed by the next one on the node. When a copy cannot be made (a full disk, a copy that
    differs) the reason goes to the log and the images are read where they are.

    Args:
        data: folder of a data set, with a folder for each split.
        scratch: a folder on the node's disk, in a user's words (``$TMPDIR``); None copies nothing.

    Raises:
        InputError: ``scratch`` names an environment variable that is not set.
    """
    if scratch is None:
        yield data
        return
    folder, held = None, None
    try:
        try:
            folder, held = _own_folder(expand_path(scratch))
            _copy(data, folder)
            place = folder
        except OSError as error:
            log.warning("%s: no copy of the images (%s); reading them in place", scratch, error)
            place = data
        yield place
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        if held is not None:
            os.close(held)


def _own_folder(scratch: Path) -> tuple[Path, int]:
    """A new folder in ``scratch`` and its held lock; folders that nobody holds are removed."""
    scratch.mkdir(parents=True, exist_ok=True)
    with locked(_private(scratch / PRIVATE) / LOCK):  # a new folder is locked before others look
        for other in scratch.glob(f"{PREFIX}*"):
            _remove_if_left(other)
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=scratch))
        return folder, lock(folder / LOCK, wait=False)


def _private(folder: Path) -> Path:
    """``folder``, made if it is not there, with nobody else let in.

    Raises:
        OSError: it is a link or another user's.
    """
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if not _is_own(folder):
        raise OSError(
            f"{folder} is a link or another user's, expected a folder of your own: remove it, or "
            "set `scratch` to a folder where only you write"
        )
    folder.chmod(0o700)
    return folder


def _is_own(folder: Path) -> bool:
    """Whether it is a folder of this user, and no link to one."""
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()


def _remove_if_left(folder: Path) -> None:
    try:
        if not _is_own(folder):
            return
        descriptor = lock(folder / LOCK, wait=False)
    except (LockedError, OSError):  # in use, or gone
        return
    shutil.rmtree(folder, ignore_errors=True)
    os.close(descriptor)


def _copy(data: Path, folder: Path) -> None:
    """Copy the images and labels of every split.

    Raises:
        OSError: no room, or a copy differs from what was read.
    """
    root = data.resolve()
    files = list(dict.fromkeys(file for split in SPLITS for file in _files(root / split)))
    size = sum(file.stat().st_size for file in files)
    if size > (free := shutil.disk_usage(folder).free):
        raise OSError(f"{size / 1e9:.3f} GB are needed, {free / 1e9:.3f} GB are free")
    for file in files:
        copy = folder / file.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        read = _copy_file(file, copy)
        if sha256_file(copy) != read:
            raise OSError(f"{copy} differs from {file}")
    log.info("%d files of images (%.3f GB) copied to %s", len(files), size / 1e9, folder)


def _files(split: Path) -> list[Path]:
    """The files of a split's images; none where it has no index."""
    if not has_images(split):
        return []
    images = ImageSet(split)
    return [images.index_file, Labels(split).file, *(tar.resolve() for tar in images.tars)]


def _copy_file(source: Path, target: Path) -> str:
    """Copy; returns the sha256 of what was read."""
    digest = hashlib.sha256()
    with source.open("rb") as reader, target.open("wb") as writer:
        while block := reader.read(BLOCK):
            digest.update(block)
            writer.write(block)
    return digest.hexdigest()
