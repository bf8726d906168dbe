"""Lists of URLs against img2dataset, on one local server that misbehaves, in turns.

``PYTHONPATH=src:tests python benchmarks/url_fetch.py IMG2DATASET [IMAGES] [ROUNDS]`` prints one
table; IMG2DATASET is that program in an environment of its own (its pins do not fit ours). Each run
is a process of its own that starts, fetches, checks and writes tars: `acquire` here, which decodes
every image in full, and `webdataset` without another encoding there. Both may open 32 connections
and try three times. Of the URLs every 20th first answers 503, every 25th is cut short at first,
every 50th first hangs up, every 40th is not there.
"""

import csv
import io
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

IMAGES, ROUNDS = 1000, 3
CONNECTIONS = 32
SIZE = (500, 375)
KINDS = 20


def main() -> None:
    """The whole table, or one run of ours."""
    if sys.argv[1] == "ours":
        _acquire(Path(sys.argv[2]))
        return
    peer = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else IMAGES
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else ROUNDS
    print("| round | program | images | lost that were there | clock, s | processor, s |")
    print("|---|---|---|---|---|---|")
    there = count - len([n for n in range(count) if n % 40 == 3])
    for number in range(rounds):
        for program in ("here", "img2dataset") if number % 2 == 0 else ("img2dataset", "here"):
            with tempfile.TemporaryDirectory() as name, _Server() as port:
                folder = Path(name)
                _write_list(folder / "urls.csv", port, count)
                command = _ours(folder) if program == "here" else _theirs(peer, folder)
                clock, processor = _timed(command, folder)
                got = _images(folder, ours=program == "here")
            print(
                f"| {number + 1} | {program} | {got} | {there - got} | {clock:.1f} | "
                f"{processor:.1f} |",
                flush=True,
            )


def _ours(folder: Path) -> list[str]:
    return [sys.executable, __file__, "ours", str(folder)]


def _theirs(peer: str, folder: Path) -> list[str]:
    return [
        *(peer, str(folder / "urls.csv"), f"--output_folder={folder / 'out'}"),
        *("--input_format=csv", "--url_col=url", "--output_format=webdataset"),
        *("--resize_mode=no", "--skip_reencode=True", "--processes_count=1"),
        *(f"--thread_count={CONNECTIONS}", "--retries=2", "--timeout=10"),
    ]


def _acquire(folder: Path) -> None:
    # only here: the server's process needs none of it
    from nicheclip.config.data import ImageConfig
    from nicheclip.config.url_source import UrlsSource
    from nicheclip.data.acquire import PartFiles, acquire
    from nicheclip.data.sources.base import Part
    from nicheclip.data.sources.urls import UrlImages

    source = UrlsSource(
        kind="urls",
        path=str(folder / "urls.csv"),
        rate=10_000,
        connections=CONNECTIONS,
        private_hosts=True,
        attempts=3,
        timeout=10,
    )
    items = UrlImages(source, folder / "kept").items(Part())
    files = PartFiles.of(folder / "out", part=0, tars=1)
    (folder / "out/images").mkdir(parents=True)
    counts = acquire("urls", items, image=ImageConfig(), files=files, workers=2)
    (folder / "out/counts.json").write_text(json.dumps(counts))


def _images(folder: Path, *, ours: bool) -> int:
    """How many a run has written."""
    if ours:
        return int(json.loads((folder / "out/counts.json").read_text())["images"])
    stats = [json.loads(path.read_text()) for path in (folder / "out").glob("*_stats.json")]
    return sum(int(one["successes"]) for one in stats)


def _timed(command: list[str], folder: Path) -> tuple[float, float]:
    before, start = os.times(), time.perf_counter()
    environment = os.environ | {"NO_ALBUMENTATIONS_UPDATE": "1"}
    with (folder / "log").open("w") as log:
        subprocess.run(command, check=True, stdout=log, stderr=log, env=environment)
    after = os.times()
    used = after.children_user + after.children_system
    return time.perf_counter() - start, used - before.children_user - before.children_system


def _write_list(path: Path, port: int, count: int) -> None:
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["url", "label"])
        writer.writerows([f"http://127.0.0.1:{port}/{n}.jpg", "ab"[n % 2]] for n in range(count))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    pictures: list[bytes]
    asked: dict[int, int]

    def log_message(self, *_: Any) -> None:
        """Silent."""

    def do_GET(self) -> None:
        """An image, or one of the faults."""
        name = self.path.strip("/").removesuffix(".jpg")
        number = int(name) if name.isdigit() else -1
        first = self.asked.setdefault(number, 0) == 0
        self.asked[number] += 1
        body = self.pictures[number % KINDS]
        if number < 0 or number % 40 == 3:
            self._give(404, b"")
        elif first and number % 20 == 1:
            self._give(503, b"")
        elif first and number % 50 == 2:
            self.close_connection = True
        elif first and number % 25 == 4:
            self._give(200, body[: len(body) // 2], length=len(body))
            self.close_connection = True
        else:
            self._give(200, body)

    def _give(self, status: int, body: bytes, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "image/jpeg")
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)


def _pictures() -> list[bytes]:
    rng, made = np.random.default_rng(0), []
    for _ in range(KINDS):
        stream, noise = io.BytesIO(), rng.integers(0, 255, (40, 50, 3), np.uint8)
        Image.fromarray(noise).resize(SIZE, Image.Resampling.BICUBIC).save(stream, "JPEG")
        made.append(stream.getvalue())
    return made


def _serve(ready: Any) -> None:
    _Handler.pictures, _Handler.asked = _pictures(), {}
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    ready.put(server.server_address[1])
    server.serve_forever()


class _Server:
    """The server in a process of its own, which has forgotten what was asked before."""

    def __enter__(self) -> int:
        context = multiprocessing.get_context("spawn")
        ready = context.Queue()
        self._process = context.Process(target=_serve, args=(ready,), daemon=True)
        self._process.start()
        return int(ready.get(timeout=60))

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()


if __name__ == "__main__":
    main()
