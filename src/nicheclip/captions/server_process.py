"""A server of the job's own, on a free port, ended with the job."""

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

from nicheclip.captions.backend import BackendUnavailable

STOP_SECONDS = 10.0
LOG_LINES = 10


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def serving(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    name: str,
    is_up: Callable[[], bool],
    start_seconds: float,
) -> Iterator[None]:
    """Run ``command`` for the length of the block, which begins when it answers.

    The server and its children are stopped at the end of the block, after a failure as well, and
    also on SIGTERM, after which the job exits.

    Args:
        command: the program and its arguments.
        environment: added to this process's.
        name: for errors: "`ollama serve` on http://...".
        is_up: whether the server answers.
        start_seconds: how long it may take to answer.

    Raises:
        BackendUnavailable: it does not come up; shows the last lines that it wrote.
    """
    with tempfile.TemporaryDirectory(prefix="nicheclip-server-") as folder:
        log = Path(folder) / "log"
        with log.open("wb") as output:
            try:
                process = subprocess.Popen(
                    command,
                    env={**os.environ, **environment},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # a process group, so that its children end with it
                )
            except OSError as error:
                raise BackendUnavailable(
                    f"captions: {command[0]!r} cannot be run ({error.strerror}). Install it, or "
                    "set backend.host to the URL of a running server."
                ) from None
        try:
            with _stopped_on_sigterm(process):
                _wait_until_up(process, name, is_up, log, start_seconds)
                yield
        finally:
            _stop(process)


def _wait_until_up(
    process: subprocess.Popen[bytes],
    name: str,
    is_up: Callable[[], bool],
    log: Path,
    start_seconds: float,
) -> None:
    deadline = time.monotonic() + start_seconds
    while not is_up():
        ended = process.poll()
        if ended is not None or time.monotonic() > deadline:
            what = f"ended with status {ended}" if ended is not None else "does not answer"
            lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
            raise BackendUnavailable(
                f"captions: {name} {what} (waited up to {start_seconds:g} s). "
                "Its last lines:\n  " + "\n  ".join(lines)
            )
        time.sleep(0.1)


@contextlib.contextmanager
def _stopped_on_sigterm(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """On SIGTERM stop the server at once and leave the block; only a main thread can listen."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _: FrameType | None) -> None:
        _stop(process)
        raise SystemExit(128 + number)

    previous = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the process group: politely, then for certain."""
    for number, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, None)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=seconds)
            break
