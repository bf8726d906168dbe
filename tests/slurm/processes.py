"""Processes of the test cluster, as /proc shows them."""

import os
import signal
import time
from pathlib import Path

PROC = Path("/proc")


def pids():
    return [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()]


def arguments(pid):
    """The command line of a process; empty for one that is gone or a zombie."""
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def parent(pid):
    """The parent's number; 0 for a process that is gone."""
    try:
        return int((PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def family(roots):
    """``roots`` and all that descends from them."""
    members = set(roots)
    parents = {pid: parent(pid) for pid in pids()}
    while new := {pid for pid, up in parents.items() if up in members} - members:
        members |= new
    return members


def listeners(folder):
    """Processes that hold a Unix socket in ``folder``."""
    lines = [line.split() for line in (PROC / "net/unix").read_text().splitlines()]
    inodes = {f"socket:[{line[6]}]" for line in lines if line[-1].startswith(f"{folder}/")}
    found = set()
    for pid in pids():
        try:
            held = {str(file.readlink()) for file in (PROC / str(pid) / "fd").iterdir()}
        except OSError:  # gone, or another user's
            continue
        if held & inodes:
            found.add(pid)
    return found


def end(members, number=signal.SIGTERM, seconds=20):
    """Send a signal and wait until all are gone; those that stay are killed."""
    for pid in members:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
    deadline = time.monotonic() + seconds
    while left := [pid for pid in members if arguments(pid)]:
        if time.monotonic() > deadline:
            if number == signal.SIGKILL:
                raise RuntimeError(f"processes that cannot be killed: {left}")
            return end(left, signal.SIGKILL)
        time.sleep(0.05)
    return None
