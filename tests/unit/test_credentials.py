"""Passwords and tokens: in no file that is written, and there for the job that needs them."""

import base64
import copy
import io
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml

from nicheclip.runtime import credentials
from nicheclip.runtime.credentials import hide, masked, restored
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.job import job

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setenv(credentials.VARIABLE, "{}")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://anna:s3cr:t@x.org/a.zip", "https://***@x.org/a.zip"),
        ("https://ghp_T0ken@x.org/a.zip", "https://***@x.org/a.zip"),
        ("https://anna:p@ss@x.org/a.zip", "https://***@x.org/a.zip"),
        ("GET ftp://a:b@h/x, then http://c:d@h", "GET ftp://***@h/x, then http://***@h"),
        ("https://x.org/a.zip?v=1&token=s3cret#top", "https://x.org/a.zip?v=1&token=***#top"),
        ("http://x/a?X-Amz-Signature=ab&n=2", "http://x/a?X-Amz-Signature=***&n=2"),
        ("http://x/a?api_key=s3cret", "http://x/a?api_key=***"),
        ("http://x/a?keyword=beetle&author=Linn%C3%A9", None),
        ("https://x.org/~anna@home/a.zip", None),
        ("https://${USER}:${PASSWORD}@x.org/a.zip?token=${TOKEN}", None),
        ("anna@x.org says: see https://x.org", None),
    ],
)
def test_what_is_masked(text, shown):
    assert masked(text) == (text if shown is None else shown)
    assert masked(masked(text)) == masked(text)


CONFIG = {
    "datasets": {
        "a": {"source": {"kind": "archive", "urls": ["https://anna:s3cret@x.org/a.zip?n=1"]}}
    },
    "captions": {"b": {"backend": {"host": "anna:s3cret@x.org:11434", "model": "m"}}},
}


def test_the_config_shows_no_password_and_the_job_has_it():
    config = copy.deepcopy(CONFIG)
    hide(config)
    assert "s3cret" not in json.dumps(config)
    assert config["datasets"]["a"]["source"]["urls"] == ["https://***@x.org/a.zip?n=1"]
    assert config["captions"]["b"]["backend"] == {"host": "***@x.org:11434", "model": "m"}
    assert restored(config) == CONFIG
    hide(config)  # the report is made from the masked config
    assert restored(config) == CONFIG


def test_two_addresses_that_look_alike_are_an_error():
    urls = [f"https://anna:{password}@x.org/a.zip" for password in ("one", "two")]
    with pytest.raises(InputError, match=r"\*\*\*@x\.org/a\.zip differ only in their password"):
        hide({"urls": urls})


def test_credentials_may_come_from_the_environment(monkeypatch):
    config = {"urls": ["https://${WHO}:${PASS}@x.org/a.zip"], "host": "${WHERE}", "path": "${A}"}
    given = copy.deepcopy(config)
    hide(config)
    assert config == given
    for name, value in (("WHO", "anna"), ("PASS", "s3cret"), ("WHERE", "http://x:1")):
        monkeypatch.setenv(name, value)
    assert restored(config) == {
        "urls": ["https://anna:s3cret@x.org/a.zip"],
        "host": "http://x:1",
        "path": "${A}",
    }
    monkeypatch.delenv("PASS")
    with pytest.raises(InputError, match="variable PASS of an address is not set"):
        restored(config)


def test_a_jobs_log_and_its_terminal_show_no_password(tmp_path, monkeypatch):
    terminal = io.StringIO()
    monkeypatch.setattr(sys, "stderr", terminal)
    with pytest.raises(SystemExit), job(tmp_path / "x.log"):
        raise InputError("https://anna:s3cret@x.org/a.zip: the server answers 401.")
    for text in ((tmp_path / "x.log").read_text(), terminal.getvalue()):
        assert "error: https://***@x.org/a.zip: the server answers 401." in text


@pytest.fixture
def server():
    """Refuses whoever asks, and remembers with what: (address, asked)."""
    asked = []

    class Refuses(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, self.headers["Authorization"]))
            self.send_error(403)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Refuses) as running:
        threading.Thread(target=running.serve_forever).start()
        yield f"127.0.0.1:{running.server_port}", asked
        running.shutdown()


def test_neither_results_nor_snakemakes_records_hold_a_password(tmp_path, server):
    """A real run: the server gets the password and refuses it, and nothing else shows it."""
    address, asked = server
    source = {"kind": "archive", "urls": [f"http://anna:s3cret@{address}/a.zip?token=t0ken"]}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({"datasets": {"a": {"source": source}}}))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--configfile", "own.yaml", "--cores", "1", "--keep-going", "--retries", "0"]
    command += ["results/config.json", "results/acquire/a/catalog.parquet"]
    done = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True)
    login = base64.b64encode(b"anna:s3cret").decode()
    assert asked == [("/a.zip?token=t0ken", f"Basic {login}")]
    log = (tmp_path / "results/logs/acquire/a/00000.log").read_text()
    assert f"http://***@{address}/a.zip?token=***: the server answers 403" in log
    assert f"***@{address}" in (tmp_path / "results/config.json").read_text()
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "own.yaml"]
    assert len(files) > 5
    for text in [done.stdout, done.stderr, *(path.read_bytes() for path in files)]:
        shown = text if isinstance(text, str) else text.decode(errors="replace")
        assert "s3cret" not in shown and "t0ken" not in shown
