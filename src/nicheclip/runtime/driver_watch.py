"""A job that a driver runs beside itself ends when the driver was killed.

Otherwise it would go on unseen, a training for days. A SLURM job has no driver among its ancestors:
it goes on, and the next driver waits for it.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

VARIABLE = "NICHECLIP_BESIDE"
SECONDS_BETWEEN_LOOKS = 2.0


def identity(process: int) -> str:
    """The number of a living process with the time of its start; empty for one that has ended."""
    fields = _fields(process)
    return f"{process} {fields[19]}" if fields and fields[0] != "Z" else ""


def announce() -> None:
    """Tell the jobs of this driver whose they are."""
    os.environ[VARIABLE] = identity(os.getpid())


def end_with_driver() -> None:
    """From now on: stop this process as Ctrl-C does when the driver that started it has ended."""
    driver = os.environ.get(VARIABLE, "")
    if driver and int(driver.split()[0]) in _ancestors(os.getpid()):
        threading.Thread(target=_stop_after, args=(driver,), daemon=True).start()


def _stop_after(driver: str) -> None:
    while identity(int(driver.split()[0])) == driver:
        time.sleep(SECONDS_BETWEEN_LOOKS)
    with suppress(OSError):  # the terminal may be gone as well
        print("its driver was killed; stopping", file=sys.stderr)
    # What a shell has started in the background ignores SIGINT.
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    os.kill(os.getpid(), signal.SIGTERM if ignored else signal.SIGINT)


def _ancestors(process: int) -> Iterator[int]:
    while (fields := _fields(process)) and (process := int(fields[1])) > 0:
        yield process


def _fields(process: int) -> list[str]:
    """Of ``/proc/<process>/stat`` from the state on; empty for a process that is gone."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
