"""A local HTTP server that speaks ollama's protocol, with faults to order.

``python tests/ollama_server.py`` runs it on OLLAMA_HOST, for a fake ``ollama serve``.
"""

import hashlib
import json
import os
import socket
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from quiet_server import QuietHandler, listen, serving

MODEL = "llama3.2:3b"
DIGEST = "a80c4f17acd55265feec403c7aef86be0c25983ab279d83f3bcd3abbcb5b8b72"
VERSION = "0.12.3"

LOOKS = ("round", "pale", "smooth", "dense", "thin", "rough", "bright", "dark", "soft", "curved")


def caption(prompt, seed):
    """A clean caption that the prompt and the seed fix."""
    digest = hashlib.sha256(f"{prompt}{seed}".encode()).digest()
    first, second, third = (LOOKS[byte % len(LOOKS)] for byte in digest[:3])
    return f"A {first} body with {second} edges and {third} lines, number {seed}, on white ground."


@dataclass
class Server:
    """What the server does, and what it was asked."""

    models: tuple = (MODEL,)
    library: tuple = ()
    """Models that it can fetch."""
    digest: str = DIGEST
    version: str = VERSION
    capabilities: tuple = ("completion",)
    reply: object = caption
    """(prompt, seed) -> text"""
    done_reason: str = "stop"
    thinking: str = ""
    """What it thinks before it replies, in a field of its own."""
    answers: dict = field(default_factory=dict)
    """path -> the whole answer, as bytes, in place of a sensible one."""
    faults: list = field(default_factory=list)
    """Used up one by one, one for each generation: a status code, "drop", "cut", "error", "slow",
    "crawl", "drip" or "flood"; "endless version" stays, and is that."""
    delay: float = 0.0
    requests: list = field(default_factory=list)
    """Bodies of the generations."""
    users: list = field(default_factory=list)
    """The header Authorization of every question; None without one."""
    url: str = ""
    active: int = 0
    most_active: int = 0
    """Generations under way at once."""
    guard: threading.Lock = field(default_factory=threading.Lock)

    @property
    def asked(self):
        """How often each (prompt, seed) was asked for."""
        with self.guard:
            return Counter((r["prompt"], r["options"]["seed"]) for r in self.requests)

    def next_fault(self, body):
        with self.guard:
            self.requests.append(body)
            self.active += 1
            self.most_active = max(self.active, self.most_active)
            return self.faults.pop(0) if self.faults else None


class Handler(QuietHandler, BaseHTTPRequestHandler):
    def do_GET(self):
        self.state.users.append(self.headers["Authorization"])
        if self.path in self.state.answers:
            self._raw(self.state.answers[self.path])
        elif self.path == "/api/version" and "endless version" in self.state.faults:
            self._endless("flood")
        elif self.path == "/api/version":
            self._json({"version": self.state.version})
        elif self.path == "/api/tags":
            models = [{"model": m, "digest": self.state.digest} for m in self.state.models]
            self._json({"models": models})
        else:
            self._json({"error": "not found"}, 404)

    def do_POST(self):
        self.state.users.append(self.headers["Authorization"])
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path in self.state.answers:
            self._raw(self.state.answers[self.path])
        elif self.path == "/api/pull":
            self._pull(body)
        elif body["model"] not in self.state.models:
            self._json({"error": f"model '{body['model']}' not found"}, 404)
        elif self.path == "/api/show":
            self._json({"capabilities": self.state.capabilities, "model_info": {}})
        elif self.path in ("/api/generate", "/api/chat"):
            self._generate(body)
            with self.state.guard:
                self.state.active -= 1

    def _generate(self, body):
        fault = self.state.next_fault(body)
        time.sleep(self.state.delay)
        if isinstance(fault, int):
            self._json({"error": f"trouble {fault}"}, fault)
            return
        if fault == "drop":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if fault == "slow":
            time.sleep(1.0)
        if fault in ("drip", "flood"):
            self._endless(fault)
            return
        self._stream(body, fault)

    def _pull(self, body):
        """As the real one does: a line for each step, an error within a 200."""
        steps = [{"status": "pulling manifest"}, {"status": "success"}]
        if body["model"] in self.state.library:
            self.state.models = (*self.state.models, body["model"])
        else:
            steps[1:] = [{"error": "pull model manifest: file does not exist"}]
        self._raw(b"".join(json.dumps(step).encode() + b"\n" for step in steps))

    def _endless(self, fault):
        """A reply that never ends its first line: a letter at a time, or as fast as it is read."""
        self.close_connection = True
        self.send_response(200)
        self.end_headers()
        piece, pause = (b"a", 0.05) if fault == "drip" else (b"a" * (1 << 20), 0.0)
        while True:  # until the client hangs up
            self.wfile.write(piece)
            time.sleep(pause)

    def _stream(self, body, fault):
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        prompt = body["prompt"] if "prompt" in body else body["messages"][0]["content"]
        text = self.state.reply(prompt, body["options"]["seed"])
        if fault == "crawl":
            for _ in range(20):
                self._chunk({"response": "and ", "done": False})
                time.sleep(0.05)
        if self.state.thinking:
            self._chunk({"response": "", "thinking": self.state.thinking, "done": False})
        self._chunk({"response": text[:10], "done": False})
        if fault == "error":
            self._chunk({"error": "an error was encountered while running the model"})
        elif fault == "cut":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        else:
            self._chunk({"response": text[10:], "done": False})
            last = {"response": "", "done": True, "done_reason": self.state.done_reason}
            self._chunk(last)
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, value):
        if self.path == "/api/chat" and "response" in value:
            said = {"content": value.pop("response"), "thinking": value.pop("thinking", None)}
            value["message"] = {"role": "assistant", **said}
        line = json.dumps(value).encode() + b"\n"
        self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")

    def _json(self, value, status=200):
        self._raw(json.dumps(value).encode(), status)

    def _raw(self, body, status=200):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def running(**settings):
    """A server for the length of the block; yields its ``Server``."""
    return serving(Server(**settings), Handler)


if __name__ == "__main__":
    host, _, port = os.environ["OLLAMA_HOST"].rpartition(":")
    print("listening on", host, port, file=sys.stderr, flush=True)
    listen(Server(), Handler, (host, int(port))).serve_forever()
