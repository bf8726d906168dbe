"""A server of ollama that the job starts itself."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from asked_ollama import PROMPT, REQUEST, backend

import ollama_server
from nicheclip.captions.backend import BackendUnavailable
from nicheclip.captions.ollama_process import start_server


@pytest.fixture
def fake_ollama(tmp_path, monkeypatch):
    """An executable ``ollama`` on the PATH that runs the test server."""
    program = tmp_path / "bin" / "ollama"
    program.parent.mkdir()
    script = Path(ollama_server.__file__)
    program.write_text(f'#!/bin/sh\n[ "$1" = serve ] || exit 2\n"{sys.executable}" "{script}"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return program


def test_a_server_of_its_own(fake_ollama):
    with backend(None) as ollama:
        url = ollama._transport._url
        assert ollama.answer(REQUEST).text == ollama_server.caption(PROMPT, 103)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/api/version")


def test_the_own_server_ignores_a_proxy(fake_ollama, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    with backend(None) as ollama:
        assert ollama._transport.identity.server == ollama_server.VERSION


def test_without_the_program_the_error_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackendUnavailable, match="`ollama` is not on the PATH"), backend(None):
        pass


def test_a_server_that_dies_shows_its_last_words(fake_ollama):
    fake_ollama.write_text("#!/bin/sh\necho 'no space left on device'\nexit 3\n")
    with (
        pytest.raises(BackendUnavailable, match=r"(?s)status 3.*no space left on device"),
        start_server(parallel=1),
    ):
        pass


def test_a_server_that_never_answers_is_stopped(fake_ollama):
    fake_ollama.write_text("#!/bin/sh\nsleep 60\n")
    start = time.monotonic()
    with (
        pytest.raises(BackendUnavailable, match="does not answer"),
        start_server(parallel=1, start_seconds=0.3),
    ):
        pass
    assert time.monotonic() - start < 5


def test_sigterm_ends_the_own_server(fake_ollama):
    code = (
        "import time\n"
        "from nicheclip.captions.ollama_process import start_server\n"
        "with start_server(parallel=1) as url:\n"
        "    print(url, flush=True)\n"
        "    time.sleep(60)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    job = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True
    )
    url = job.stdout.readline().strip()
    assert httpx.get(f"{url}/api/version").status_code == 200
    job.send_signal(signal.SIGTERM)
    assert job.wait(timeout=20) == 128 + signal.SIGTERM
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/api/version")
