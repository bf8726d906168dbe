"""Temporary files of processes that were killed while they wrote."""

import os
import re
import time
from contextlib import suppress
from pathlib import Path

#: the names that ``files.atomic_path`` gives
TEMPORARY = re.compile(r"\..+\.[a-z0-9_]{8}\.tmp(\.\w+)?")
#: no process writes to one file for so long without a byte
SECONDS = 24 * 3600.0


def remove_left_over(folder: Path) -> int:
    """Remove temporary files below ``folder`` that nobody has written to for a day.

    Returns:
        How many.
    """
    before, removed = time.time() - SECONDS, 0
    for place, _, names in os.walk(folder):
        for file in (Path(place, name) for name in names if TEMPORARY.fullmatch(name)):
            with suppress(OSError):  # gone, or not ours
                if file.lstat().st_mtime < before:
                    file.unlink()
                    removed += 1
    return removed
