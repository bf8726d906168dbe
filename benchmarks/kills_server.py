"""A small data set behind a slow server whose network can be gone."""

import io
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from PIL import Image

BLOCK = 16 << 10
SECONDS = 12.0  # that a whole download takes
NAMES = ("circle", "square", "triangle")
IMAGES = 20  # of each class
SIDE = 64


def archive() -> bytes:
    """A zip of class folders with PNG images, the same bytes in each call."""
    draw = np.random.default_rng(0)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as file:
        for number in range(len(NAMES) * IMAGES):
            name = NAMES[number % len(NAMES)]
            pixels = draw.integers(0, 128, (SIDE, SIDE, 3), dtype=np.uint8)
            pixels[..., NAMES.index(name)] += 100
            image = io.BytesIO()
            Image.fromarray(pixels).save(image, "png")
            member = zipfile.ZipInfo(f"shapes/{name}/{number:03d}.png", (2020, 1, 1, 0, 0, 0))
            file.writestr(member, image.getvalue())
    return packed.getvalue()


class _Handler(BaseHTTPRequestHandler):
    server: "_Server"

    def do_GET(self) -> None:
        """The archive from where ``Range`` says, in blocks with pauses between."""
        content = self.server.content
        asked = self.headers.get("Range", "bytes=0-")
        start = int(asked.removeprefix("bytes=").partition("-")[0])
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("ETag", '"one"')
        if start:
            span = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self.send_header("Content-Range", span)
        self.end_headers()
        pause = SECONDS * BLOCK / len(content)
        for place in range(start, len(content), BLOCK):
            if self.server.gone.is_set():
                return
            self.wfile.write(content[place : place + BLOCK])
            time.sleep(pause)

    def log_message(self, *_: object) -> None:
        """Nothing: the table is all that is printed."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    content = b""

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.gone = threading.Event()

    def handle_error(self, *_: object) -> None:
        """A client that was killed has hung up."""


class Network:
    """The server of the archive; away, nothing listens at its address."""

    def __init__(self) -> None:
        self._content = archive()
        self.port = 0  # any; from then on the same
        self.back()
        self.port = self._server.server_port

    def back(self) -> None:
        """The server answers."""
        self._server = _Server(self.port)
        self._server.content = self._content
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def away(self) -> None:
        """Transfers break off, and connections are refused."""
        self._server.gone.set()
        self._server.shutdown()
        self._server.server_close()
