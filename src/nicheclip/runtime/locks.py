"""Locks that end with the process that holds them, however it ends."""

import fcntl
import logging
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nicheclip.runtime.errors import InputError

log = logging.getLogger(__name__)


class LockedError(Exception):
    """Another process holds the lock."""


def lock(path: Path | str, *, wait: bool, shared: bool = False, required: bool = False) -> int:
    """Lock the file ``path`` for this process.

    A link is not followed: where others may write, it could lead to any file of the user's.

    A file system without locks is reported and worked without, unless the lock is ``required``.

    Args:
        path: made if it is not there; its content stays.
        wait: until other processes have let go.
        shared: with others that share it, but not with one that wants it alone.
        required: a file system without locks is an error.

    Returns:
        The open file's descriptor; closing it, or the end of the process, lets go.

    Raises:
        LockedError: another process holds it and ``wait`` is false.
        InputError: ``path`` is no plain file, or the file system has no locks and the lock is
            ``required``.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    descriptor = _opened(Path(path))
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(descriptor, kind | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(descriptor)
        raise LockedError(str(path)) from None
    except OSError as error:
        if required:
            os.close(descriptor)
            raise InputError(
                f"{path}: no locks on this file system ({error}). Work in a folder on one that has "
                "them, or make the folder .snakemake a link to such a folder."
            ) from None
        log.warning("%s: no locks on this file system (%s); going on without.", path, error)
    return descriptor


def _opened(path: Path) -> int:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    except OSError as error:
        if not path.is_symlink():
            raise
        raise InputError(_not_plain(path)) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InputError(_not_plain(path))
    return descriptor


def _not_plain(path: Path) -> str:
    return f"{path}: a link or a device, expected a plain file to lock. Remove it and run again."


@contextmanager
def locked(path: Path | str) -> Iterator[None]:
    """Hold the lock of ``path`` while the block runs; waiting for it is said in the log."""
    try:
        descriptor = lock(path, wait=False)
    except LockedError:
        log.info("%s: another process holds this lock; waiting for it.", path)
        descriptor = lock(path, wait=True)
    try:
        yield
    finally:
        os.close(descriptor)
