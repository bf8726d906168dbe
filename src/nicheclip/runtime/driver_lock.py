"""The same command works again after a driver was killed: whose lock files may be removed."""

import os
from pathlib import Path
from typing import Literal

from nicheclip.runtime.errors import InputError
from nicheclip.runtime.locks import LockedError, lock

RunKind = Literal["local", "slurm", "cluster"]


def take_over(kind: RunKind, folder: Path = Path(".snakemake")) -> int:
    """Remove the lock files of a driver that was killed, and hold the folder with others that live.

    Snakemake's lock files outlive their driver; the kernel's lock on this file does not. When no
    driver lives, the files of a local one are removed, and those of a driver of SLURM jobs, since
    none of its jobs is left (see ``slurm.driver``). Those of another cluster's driver stay: its
    jobs may still be writing. Where the file system has no locks, nothing is known and all stay.

    Args:
        kind: of this run.
        folder: Snakemake's own in the working folder.

    Returns:
        The lock, which ends with this process.
    """
    file = folder / "driver.lock"
    try:
        alone = lock(file, wait=False, required=True)
        stale = list((folder / "locks").glob("*.lock"))
        if stale and file.read_text() in ("local", "slurm"):
            for path in stale:
                path.unlink(missing_ok=True)
            stale = []
        if not stale:
            file.write_text(kind)
        os.close(alone)
    except (LockedError, InputError):
        pass
    return lock(file, wait=True, shared=True)
