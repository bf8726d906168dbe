"""A local HTTP server that speaks OpenAI's protocol, with faults to order.

``python tests/openai_server.py PORT`` runs it, for a server of a job's own.
"""

import json
import socket
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from ollama_server import caption
from quiet_server import QuietHandler, listen, serving

MODEL = "small-model"
KEY = "sk-very-secret-0123456789"


@dataclass
class Server:
    """What the server does, and what it was asked."""

    models: tuple = (MODEL,)
    key: str | None = None
    """That every request must carry."""
    reply: object = caption
    """(prompt, seed) -> text"""
    finish_reason: str | None = "stop"
    thinking: str = ""
    faults: list = field(default_factory=list)
    """Used up one by one, one for each completion: a status code, a pair of one and headers,
    bytes (the whole body of a 200), "hang", "drop", "cut", "error" or "crawl"."""
    delay: float = 0.0
    parallel: int = 64
    """Completions worked on at once; others wait."""
    requests: list = field(default_factory=list)
    """Bodies of the completions."""
    url: str = ""
    guard: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self):
        self.room = threading.Semaphore(self.parallel)

    @property
    def asked(self):
        """How often each (prompt, seed) was asked for."""
        with self.guard:
            return Counter((prompt_of(r), r.get("seed")) for r in self.requests)

    def next_fault(self, body):
        with self.guard:
            self.requests.append(body)
            return self.faults.pop(0) if self.faults else None


def prompt_of(body):
    content = body["messages"][0]["content"]
    return content if isinstance(content, str) else content[0]["text"]


class Handler(QuietHandler, BaseHTTPRequestHandler):
    def _key_is_right(self):
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.state.key in (None, given):
            return True
        # as the hosted server does: the message repeats the key
        self._json({"error": {"message": f"Incorrect API key provided: {given}"}}, 401)
        return False

    def do_GET(self):
        if not self._key_is_right():
            return
        if self.path == "/v1/models":
            self._json({"object": "list", "data": [{"id": m} for m in self.state.models]})
        else:
            self._json({"error": {"message": "not found"}}, 404)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self._key_is_right():
            return
        fault = self.state.next_fault(body)
        with self.state.room:
            time.sleep(self.state.delay)
            self._complete(body, fault)

    def _complete(self, body, fault):
        if isinstance(fault, tuple):
            self._json({"error": {"message": f"trouble {fault[0]}"}}, *fault)
        elif isinstance(fault, int):
            self._json({"error": {"message": f"trouble {fault}"}}, fault)
        elif isinstance(fault, bytes):
            self._raw(fault, 200, {"Content-Type": "text/event-stream"})
        elif fault in ("drop", "hang"):
            time.sleep(1.0 if fault == "hang" else 0.0)
            self._hang_up()
        else:
            self._stream(body, fault)

    def _stream(self, body, fault):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        text = self.state.reply(prompt_of(body), body.get("seed"))
        if fault == "crawl":
            for _ in range(20):
                self._delta({"content": "and "})
                time.sleep(0.05)
        if self.state.thinking:
            self._delta({"content": None, "reasoning_content": self.state.thinking})
        self._delta({"role": "assistant", "content": text[:10]})
        if fault == "cut":
            self._hang_up()
            return
        if fault == "error":
            self._event({"error": {"message": "CUDA out of memory", "code": 500}})
        elif fault != "end":
            self._delta({"content": text[10:]})
            self._delta({}, self.state.finish_reason)
            usage = {"prompt_tokens": len(prompt_of(body).split()), "total_tokens": 0}
            usage["completion_tokens"] = len(text.split())
            self._event({"choices": [], "usage": usage})
        self._chunk(b"data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def _delta(self, delta, finish_reason=None):
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        self._event({"choices": [choice], "system_fingerprint": "fp_1"})

    def _event(self, value):
        self._chunk(b"data: " + json.dumps(value).encode() + b"\n\n")

    def _chunk(self, line):
        self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")

    def _hang_up(self):
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _json(self, value, status=200, headers=()):
        headers = {"Content-Type": "application/json", **dict(headers)}
        self._raw(json.dumps(value).encode(), status, headers)

    def _raw(self, body, status, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def running(**settings):
    """A server for the length of the block; yields its ``Server``."""
    return serving(Server(**settings), Handler, path="/v1")


if __name__ == "__main__":
    listen(Server(), Handler, ("127.0.0.1", int(sys.argv[1])), "/v1").serve_forever()
