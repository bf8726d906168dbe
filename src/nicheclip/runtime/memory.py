"""The memory of this process."""

import resource
import sys
from pathlib import Path


def peak_resident() -> int:
    """Bytes that were resident at most since this program started.

    Linux passes what ``getrusage`` reports from a parent to the programs that it starts, so its own
    record of the process is read where there is one.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
