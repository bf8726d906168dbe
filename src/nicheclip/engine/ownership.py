"""Who writes a run: of several processes the one that started last.

When SLURM requeues a job whose node it has lost, or a workflow starts anew after its driver was
killed, processes of the earlier start may still be training. The new one asks them to stop and
waits until they have.
"""

import logging
import os
import socket
import time
import uuid
from pathlib import Path

from nicheclip.runtime.files import write_text
from nicheclip.runtime.locks import LockedError, lock

log = logging.getLogger(__name__)

SECONDS_BETWEEN_LOOKS = 2.0


class Ownership:
    """The right to write to a run's folder and outputs, held until ``release`` or the process ends.

    The name of the newest owner is in the file ``owner``: earlier ones see it and leave. The
    lock beside it tells when they have left. Where a file system has no locks between nodes, two
    may overlap for a step; then both write the same states, each file whole.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "owner"
        self._name = f"{socket.gethostname()}, process {os.getpid()}, {uuid.uuid4().hex}"
        self._looked = time.monotonic()
        self._is_lost = False
        write_text(self._file, self._name)
        path = folder / "owner.lock"
        try:
            self._descriptor = lock(path, wait=False)
        except LockedError:
            log.info("%s: an earlier process still trains; waiting until it has stopped", folder)
            self._descriptor = lock(path, wait=True)

    def lost(self) -> bool:
        """Whether a newer process wants to own the run."""
        now = time.monotonic()
        if not self._is_lost and now - self._looked > SECONDS_BETWEEN_LOOKS:
            self._looked = now
            try:
                self._is_lost = self._file.read_text(encoding="utf-8") != self._name
            except OSError:
                log.warning("%s: cannot be read; training goes on", self._file)
        return self._is_lost

    def release(self) -> None:
        """Let the next owner begin."""
        os.close(self._descriptor)
