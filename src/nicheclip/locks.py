"""Locks that end with the process that holds them, however it ends."""

import fcntl
import os
from pathlib import Path


def lock(path: Path | str, *, wait: bool) -> int | None:
    """Lock the file ``path`` for this process.

    Returns:
        The open file's descriptor, which holds the lock until it is closed or the process ends;
        None if another process holds it and ``wait`` is false.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
