"""Temporary files and folders of processes that were killed while they wrote."""

import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

#: the names that ``files.atomic_path`` gives
TEMPORARY = re.compile(r"\..+\.[a-z0-9_]{8}\.tmp(\.\w+)?")
#: those of acquiring, curating and judging captions, which sort on disk
TEMPORARY_FOLDER = re.compile(r"\.(spool-|rows-|[\w-]+\.)?[a-z0-9_]{8}")
#: no process writes to one file for so long without a byte
SECONDS = 24 * 3600.0


def left_over(folder: Path) -> Iterator[Path]:
    """Every temporary file and folder below ``folder``, also those that are in use."""
    for place, folders, names in os.walk(folder):
        spools = [name for name in folders if TEMPORARY_FOLDER.fullmatch(name)]
        folders[:] = [name for name in folders if name not in spools]
        yield from (Path(place, name) for name in names if TEMPORARY.fullmatch(name))
        yield from (Path(place, name) for name in spools)


def remove_left_over(folder: Path) -> int:
    """Remove temporary files and folders below ``folder`` that nobody has written to for a day.

    Returns:
        How many.
    """
    before, removed = time.time() - SECONDS, 0
    for path in list(left_over(folder)):
        with suppress(OSError):  # gone, or not ours
            if max(one.lstat().st_mtime for one in (path, *path.rglob("*"))) < before:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
                removed += 1
    return removed
