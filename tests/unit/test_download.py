import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from nicheclip.data import download as module
from nicheclip.data.download import download
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import read_json

CONTENT = np.random.default_rng(0).bytes(500_000)
MD5 = f"md5:{hashlib.md5(CONTENT).hexdigest()}"
SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


class Server(ThreadingHTTPServer):
    """Serves ``content``; ``faults`` are taken from the front, one for each request."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.etag, self.ranges = CONTENT, '"v1"', True
        self.faults, self.requests = [], []
        self.url = f"http://127.0.0.1:{self.server_address[1]}/files/x.bin"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range")
        server.requests.append(asked)
        fault = server.faults.pop(0) if server.faults else None
        if isinstance(fault, int):
            self.send_response(fault)
            self.send_header("Retry-After", "3")
            self.end_headers()
            return
        if callable(fault):
            fault(server)
        start = 0
        same = self.headers.get("If-Range") in (None, server.etag)
        if asked and server.ranges and same:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(server.content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(server.content)}")
                self.end_headers()
                return
        body = server.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        if server.etag:
            self.send_header("ETag", server.etag)
        if start:
            end = len(server.content)
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{end}")
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if fault == "drop" else body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    slept = []
    monkeypatch.setattr(module.time, "sleep", slept.append)
    return slept


def names(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


@pytest.mark.parametrize("checksum", [MD5, SHA256, SHA256.upper().replace("SHA256", "sha256")])
def test_a_file_arrives_whole_and_is_not_fetched_twice(server, tmp_path, checksum):
    for _ in range(2):
        path = download(server.url, tmp_path / "new" / "folder", checksum=checksum)
        assert path == tmp_path / "new" / "folder" / "x.bin"
        assert path.read_bytes() == CONTENT
    assert server.requests == [None]
    assert names(path.parent) == ["x.bin"]


def test_a_dropped_connection_goes_on_where_it_broke(server, tmp_path, pauses):
    server.faults = ["drop", "drop"]
    assert download(server.url, tmp_path, checksum=MD5).read_bytes() == CONTENT
    first, second, third = server.requests
    assert first is None
    starts = [int(asked.removeprefix("bytes=").rstrip("-")) for asked in (second, third)]
    assert 0 < starts[0] < starts[1] < len(CONTENT)
    assert len(pauses) == 2 and 0.5 <= pauses[0] <= 1


def test_a_killed_download_goes_on_in_the_next_process(server, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "ATTEMPTS", 1)
    server.faults = ["drop"]
    with pytest.raises(InputError, match=r"gave up after 1 attempts.*bytes that arrived are kept"):
        download(server.url, tmp_path)
    assert names(tmp_path) == ["x.bin.part", "x.bin.part.json"]
    assert download(server.url, tmp_path).read_bytes() == CONTENT
    assert server.requests[1].startswith("bytes=")
    assert names(tmp_path) == ["x.bin", "x.bin.sha256"]


def change(server):
    server.content, server.etag = CONTENT[::-1], '"v2"'


def test_a_file_that_changed_in_between_starts_over(server, tmp_path):
    server.faults = ["drop", change]
    assert download(server.url, tmp_path).read_bytes() == CONTENT[::-1]


def test_a_changed_file_starts_over_even_if_the_server_ignores_if_range(server, tmp_path):
    class Stale(Handler):
        def send_header(self, key, value):
            super().send_header(key, self.server.shown_etag if key == "ETag" else value)

    server.RequestHandlerClass, server.shown_etag = Stale, '"v1"'

    def fault(server):
        # the condition holds, but the answer comes from the new file
        server.content, server.shown_etag = CONTENT[::-1], '"v2"'

    server.faults = ["drop", fault]
    assert download(server.url, tmp_path).read_bytes() == CONTENT[::-1]


def test_a_server_without_ranges_starts_over(server, tmp_path):
    server.ranges, server.faults = False, ["drop"]
    assert download(server.url, tmp_path).read_bytes() == CONTENT


def test_without_a_validator_only_a_checksum_lets_it_go_on(server, tmp_path):
    server.etag, server.faults = "", ["drop", "drop"]
    download(server.url, tmp_path / "a")
    assert server.requests == [None, None, None]
    server.requests, server.faults = [], ["drop"]
    download(server.url, tmp_path / "b", checksum=MD5)
    assert server.requests[1].startswith("bytes=")


def test_a_part_that_is_already_whole_is_taken(server, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "ATTEMPTS", 1)
    server.faults = ["drop"]
    with pytest.raises(InputError):
        download(server.url, tmp_path)
    (tmp_path / "x.bin.part").write_bytes(CONTENT)
    assert download(server.url, tmp_path, checksum=MD5).read_bytes() == CONTENT


def test_a_part_that_is_too_long_starts_over(server, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "ATTEMPTS", 1)
    server.faults = ["drop"]
    with pytest.raises(InputError):
        download(server.url, tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr(module.time, "sleep", lambda _: None)
    (tmp_path / "x.bin.part").write_bytes(CONTENT + b"more")
    assert download(server.url, tmp_path, checksum=MD5).read_bytes() == CONTENT


def test_a_busy_server_is_asked_again_when_it_says(server, tmp_path, pauses):
    server.faults = [503, 429]
    assert download(server.url, tmp_path, checksum=MD5).read_bytes() == CONTENT
    assert pauses == [3.0, 3.0]


def test_a_server_that_stays_busy_is_an_error(server, tmp_path):
    server.faults = [503] * 20
    with pytest.raises(InputError, match=r"gave up after 6 attempts.*503"):
        download(server.url, tmp_path)
    assert len(server.requests) == 6
    assert names(tmp_path) == []


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_refusal_is_an_error_at_once(server, tmp_path, status):
    server.faults = [status]
    with pytest.raises(InputError, match=rf"answers {status}.*Check the URL"):
        download(server.url, tmp_path)
    assert len(server.requests) == 1
    assert names(tmp_path) == []


def test_no_server_is_an_error(tmp_path):
    with pytest.raises(InputError, match="Check the network"):
        download("http://127.0.0.1:9/x.bin", tmp_path)


def test_a_wrong_checksum_names_both_values_and_leaves_nothing(server, tmp_path):
    wrong = "md5:" + "0" * 32
    with pytest.raises(InputError, match=rf"md5 is {MD5[4:]}, expected {'0' * 32}.*Delete"):
        download(server.url, tmp_path, checksum=wrong)
    assert names(tmp_path) == []


def test_a_damaged_file_on_disk_is_found(server, tmp_path):
    path = download(server.url, tmp_path, checksum=SHA256)
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(InputError, match=r"x\.bin: its sha256 is"):
        download(server.url, tmp_path, checksum=SHA256)


def test_without_a_published_checksum_the_first_download_sets_it(server, tmp_path):
    path = download(server.url, tmp_path)
    assert (tmp_path / "x.bin.sha256").read_text() == SHA256 + "\n"
    path.unlink()
    change(server)
    with pytest.raises(InputError, match=r"x\.bin\.sha256 at the first download.*delete"):
        download(server.url, tmp_path)
    assert names(tmp_path) == ["x.bin.sha256"]


@pytest.mark.parametrize("checksum", ["crc:1", "abc", "md5:"])
def test_an_unknown_checksum_is_an_error(server, tmp_path, checksum):
    with pytest.raises(InputError, match="must be md5"):
        download(server.url, tmp_path, checksum=checksum)


def test_file_urls_are_verified_where_they_lie(tmp_path):
    path = tmp_path / "a file.bin"
    path.write_bytes(CONTENT)
    assert download(path.as_uri(), tmp_path / "d", checksum=MD5) == path
    assert download(path.as_uri(), tmp_path / "d") == path
    path.write_bytes(b"other")
    with pytest.raises(InputError, match="first download"):
        download(path.as_uri(), tmp_path / "d")
    with pytest.raises(InputError, match="no such file"):
        download((tmp_path / "none.bin").as_uri(), tmp_path / "d")


@pytest.mark.parametrize("url", ["ftp://x/y.zip", "https://x/", "https://x/..", "x.zip"])
def test_urls_that_name_no_file_are_errors(tmp_path, url):
    with pytest.raises(InputError, match="expected a http, https or file URL"):
        download(url, tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", '{"etag": 1, "x": 2}', "\udc80"])
def test_a_damaged_record_of_a_part_starts_over(server, tmp_path, text):
    (tmp_path / "x.bin.part").write_bytes(b"old")
    (tmp_path / "x.bin.part.json").write_bytes(text.encode(errors="surrogateescape"))
    assert download(server.url, tmp_path, checksum=MD5).read_bytes() == CONTENT
    assert server.requests == [None]


@pytest.mark.parametrize("name", ["x.bin", "x.bin.part", "x.bin.sha256", "x.bin.lock"])
def test_a_folder_in_the_way_is_an_error(server, tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(InputError, match=r"x\.bin: cannot be kept in .*directory.*in the way"):
        download(server.url, tmp_path)


def test_a_file_in_place_of_the_folder_is_an_error(server, tmp_path):
    (tmp_path / "f").touch()
    for folder in (tmp_path / "f", tmp_path / "f/deeper"):
        with pytest.raises(InputError, match="cannot be kept in"):
            download(server.url, folder)


def test_a_damaged_record_of_a_checksum_is_named(server, tmp_path):
    (tmp_path / "x.bin.sha256").write_bytes(b"\xff\x00")
    with pytest.raises(InputError, match=r"x\.bin\.sha256 \(delete it\): the checksum"):
        download(server.url, tmp_path)


class Circle(Handler):
    def do_GET(self):
        self.send_response(302)
        self.send_header("Location", self.path)
        self.end_headers()


def test_a_circle_of_redirects_is_an_error(server, tmp_path):
    server.RequestHandlerClass = Circle
    with pytest.raises(InputError, match=r"leads nowhere .*redirects.*in a browser"):
        download(server.url, tmp_path)


class Nowhere(Circle):
    def do_GET(self):
        self.send_response(302)
        self.send_header("Location", "http://[::1/x.bin")
        self.end_headers()


def test_a_redirect_to_no_url_is_an_error(server, tmp_path):
    server.RequestHandlerClass = Nowhere
    with pytest.raises(InputError):
        download(server.url, tmp_path)


class Slow(Handler):
    """Three bytes, and then as many as asked for, one by one."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("ETag", '"v1"')
        self.send_header("Content-Length", "1000")
        self.end_headers()
        for _ in range(1000):
            self.wfile.write(b"x")
            self.wfile.flush()
            self.server.tick.wait(0.02)


def test_a_download_that_hardly_moves_ends(server, tmp_path, monkeypatch):
    server.RequestHandlerClass, server.tick = Slow, threading.Event()
    monkeypatch.setattr(module, "SLOW_SECONDS", 0.3)
    with pytest.raises(InputError, match=r"only \d+ bytes in 0 seconds.*file:// URL.*is kept"):
        download(server.url, tmp_path)
    assert 3 <= (tmp_path / "x.bin.part").stat().st_size < 500
    server.tick.set()


class OneByte(Handler):
    def do_GET(self):
        self.server.requests.append(None)
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"x" * len(self.server.requests))


def test_a_server_that_sends_a_byte_more_each_time_is_given_up(server, tmp_path):
    server.RequestHandlerClass = OneByte
    with pytest.raises(InputError, match="gave up after 6 attempts"):
        download(server.url, tmp_path)
    assert len(server.requests) == 6


def test_a_file_that_is_too_large_is_not_begun(server, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_BYTES", 499_999)
    with pytest.raises(InputError, match=r"has 500000 bytes.*more than 499999"):
        download(server.url, tmp_path)
    usage = module.shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: usage)
    monkeypatch.setattr(module, "MAX_BYTES", 1 << 30)
    with pytest.raises(InputError, match="has room for 1000"):
        download(server.url, tmp_path)
    assert not (tmp_path / "x.bin.part").exists()


class Endless(Handler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        while True:
            self.wfile.write(bytes(1 << 16))


def test_a_file_of_no_stated_length_has_a_limit(server, tmp_path, monkeypatch):
    server.RequestHandlerClass = Endless
    server.handle_error = lambda *_: None
    monkeypatch.setattr(module, "MAX_BYTES", 1 << 20)
    with pytest.raises(InputError, match="sends more than the 1048576 bytes"):
        download(server.url, tmp_path)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://[::1/x.zip", "not a URL"),
        ("http://a/" + "x" * 300, "of 300 bytes"),
        ("http://a/x%00y.zip", "control characters"),
        ("http://a/x%0Ay.zip", "control characters"),
        ("http:///x.zip", "names no server"),
        ("file://data/x.zip", "three slashes"),
    ],
)
def test_malformed_urls_are_errors(tmp_path, url, message):
    with pytest.raises(InputError, match=message):
        download(url, tmp_path)


def test_two_processes_do_not_disturb_each_other(server, tmp_path):
    threads = [
        threading.Thread(target=download, args=(server.url, tmp_path), kwargs={"checksum": MD5})
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "x.bin").read_bytes() == CONTENT
    assert len(server.requests) == 1


def test_the_state_of_the_remote_file_is_kept_beside_the_part(server, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "ATTEMPTS", 1)
    server.faults = ["drop"]
    with pytest.raises(InputError):
        download(server.url, tmp_path)
    assert read_json(tmp_path / "x.bin.part.json") == {"etag": '"v1"', "last_modified": ""}
