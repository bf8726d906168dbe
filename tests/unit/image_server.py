"""A local server of images that gives, by path, what a test says."""

import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

from source_files import jpeg

from quiet_server import QuietHandler


class State:
    """What the server gives, by path, and what it was asked for."""

    def __init__(self):
        self.pages = {}
        self.asked = []
        self.lock = threading.Lock()
        self.url = ""

    def asked_for(self):
        return Counter(path for path, _, _ in self.asked)


class Handler(QuietHandler, BaseHTTPRequestHandler):
    def do_GET(self):
        path = urlsplit(self.path).path
        with self.state.lock:
            self.state.asked.append((path, time.monotonic(), self.headers["User-Agent"]))
            page = self.state.pages.get(path, 404)
            if isinstance(page, list):
                page = page.pop(0) if len(page) > 1 else page[0]
        if callable(page):
            page(self)
        elif isinstance(page, int):
            self.give(page, b"")
        else:
            self.give(200, page)

    def give(self, status, body, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def drip(self):
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        for _ in range(100):
            self.wfile.write(b"x")
            self.wfile.flush()
            time.sleep(0.05)

    def cut(self):
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(jpeg(1)[:100])
        self.close_connection = True


def answer(status, body=b"", **headers):
    return lambda handler: handler.give(status, body, **headers)
