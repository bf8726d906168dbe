"""An ollama server of the job's own."""

import contextlib
import json
import shutil
import time
from collections.abc import Iterator

import httpx

from nicheclip.captions.backend import BackendUnavailable
from nicheclip.captions.server_process import free_port, serving

START_SECONDS = 60.0
MOST_ANSWERED = 1 << 16
"""Bytes in which a version must be said."""


@contextlib.contextmanager
def start_server(*, parallel: int, start_seconds: float = START_SECONDS) -> Iterator[str]:
    """Run ``ollama serve`` for the length of the block; yields its URL.

    Models are looked for where ollama always looks (`OLLAMA_MODELS`).

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
    url = f"http://127.0.0.1:{free_port()}"

    def is_up() -> bool:
        with contextlib.suppress(httpx.HTTPError):
            server_version(url, timeout=2.0, trust_env=False)
            return True
        return False

    with serving(
        [program, "serve"],
        environment={
            "OLLAMA_HOST": url.removeprefix("http://"),
            "OLLAMA_NUM_PARALLEL": str(parallel),
        },
        name=f"`ollama serve` on {url}",
        is_up=is_up,
        start_seconds=start_seconds,
    ):
        yield url


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
