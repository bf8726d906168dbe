"""An ollama server of the job's own, on a free port, ended with the job."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import httpx

from nicheclip.captions.backend import BackendUnavailable

START_SECONDS = 60.0
STOP_SECONDS = 10.0
LOG_LINES = 10
MOST_ANSWERED = 1 << 16
"""Bytes in which a version must be said."""


@contextlib.contextmanager
def start_server(*, parallel: int, start_seconds: float = START_SECONDS) -> Iterator[str]:
    """Run ``ollama serve`` for the length of the block; yields its URL.

    Models are looked for where ollama always looks (`OLLAMA_MODELS`). The server and its children
    are stopped at the end of the block and also on SIGTERM, after which the job exits.

    Args:
        parallel: requests that the server works on at once (`OLLAMA_NUM_PARALLEL`).
        start_seconds: how long it may take to answer.

    Raises:
        BackendUnavailable: no ``ollama`` on the PATH, or it does not come up.
    """
    program = shutil.which("ollama")
    if program is None:
        raise BackendUnavailable(
            "captions: the program `ollama` is not on the PATH. Install it "
            "(https://ollama.com/download), or set backend.host to the URL of a running server."
        )
    url = f"http://127.0.0.1:{_free_port()}"
    with tempfile.TemporaryDirectory(prefix="nicheclip-ollama-") as folder:
        log = Path(folder) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [program, "serve"],
                env={
                    **os.environ,
                    "OLLAMA_HOST": url.removeprefix("http://"),
                    "OLLAMA_NUM_PARALLEL": str(parallel),
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a process group, so that its children end with it
            )
        try:
            with _stopped_on_sigterm(process):
                _wait_until_up(process, url, log, start_seconds)
                yield url
        finally:
            _stop(process)


def server_version(url: str, *, timeout: float, trust_env: bool = True) -> str:
    """The version that the server at ``url`` reports; raises httpx.HTTPError where it does not."""
    deadline, body = time.monotonic() + timeout, b""
    headers = {"Accept-Encoding": "identity"}
    address = f"{url}/api/version"
    with httpx.stream(
        "GET", address, timeout=timeout, trust_env=trust_env, headers=headers
    ) as answer:
        answer.raise_for_status()
        for piece in answer.iter_raw():
            if len(body) > MOST_ANSWERED or (body and time.monotonic() > deadline):
                raise httpx.DecodingError(f"{address}: the answer does not end")
            body += piece
    try:
        version = json.loads(body)["version"]
        if not isinstance(version, str):
            raise TypeError(version)
        return version
    except (ValueError, KeyError, TypeError, RecursionError):
        raise httpx.DecodingError(f"{url}/api/version: no version in the answer") from None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_up(
    process: subprocess.Popen[bytes], url: str, log: Path, start_seconds: float
) -> None:
    deadline = time.monotonic() + start_seconds
    while True:
        with contextlib.suppress(httpx.HTTPError):
            server_version(url, timeout=2.0, trust_env=False)
            return
        ended = process.poll()
        if ended is not None or time.monotonic() > deadline:
            what = f"ended with status {ended}" if ended is not None else "does not answer"
            lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
            raise BackendUnavailable(
                f"captions: `ollama serve` on {url} {what} (waited up to {start_seconds:g} s). "
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
