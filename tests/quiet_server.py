"""A local HTTP server for the fake ones: no output, and a client that hangs up is no error."""

import threading
from contextlib import contextmanager
from http.server import ThreadingHTTPServer


class QuietHandler:
    """Beside BaseHTTPRequestHandler."""

    protocol_version = "HTTP/1.1"

    @property
    def state(self):
        return self.server.state

    def log_message(self, *_):
        pass


class QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """A client that hangs up is part of the tests."""


def listen(state, handler, address=("127.0.0.1", 0), path=""):
    """A server of ``state``, whose ``url`` it sets."""
    server = QuietServer(address, handler)
    server.state = state
    state.url = f"http://127.0.0.1:{server.server_port}{path}"
    return server


@contextmanager
def serving(state, handler, path=""):
    """A server for the length of the block; yields ``state``."""
    server = listen(state, handler, path=path)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
