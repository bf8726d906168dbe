"""A server of captions by OpenAI's protocol that takes so many requests at once, each so long.

    python benchmarks/caption_server.py SECONDS PARALLEL

It prints its URL, and serves until its standard input ends. ``GET /v1/busy`` tells, as JSON, how
busy it was from its first request to its last answer: the mean share of its places that were taken.
What slows the server itself down (other processes, say) lengthens both sides of that share.
"""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Callable

BODIES = ("caps", "discs", "threads", "gills", "rings", "tufts", "cups", "dots", "stems", "scales")
HUES = ("golden", "brown", "white", "orange", "pale", "olive", "grey", "violet", "cream", "black")
GROUNDS = ("moss", "sand", "bark", "soil", "glass", "snow", "leaf litter", "stone", "peat", "wood")


def caption(number: int) -> str:
    """A different text of about twenty words for each number below a million."""
    a, b, c, d, e, f = (number // 10**place % 10 for place in range(6))
    return (
        f"A photo of {HUES[a]} {BODIES[b]} on {GROUNDS[c]}, with {HUES[d]} edges and small round "
        f"{BODIES[e]} that stand close together in bright light beside {GROUNDS[f]}."
    )


class Places:
    """What takes ``parallel`` requests at once, each for ``seconds``."""

    def __init__(self, seconds: float, parallel: int) -> None:
        self._seconds, self._parallel = seconds, parallel
        self._free = asyncio.Semaphore(parallel)
        self._taken: list[tuple[float, float]] = []
        """When each place was taken and left."""

    async def answer(self) -> str:
        """The next caption, once there was a place for as long as it takes."""
        async with self._free:
            start = time.monotonic()
            await asyncio.sleep(self._seconds)
            self._taken.append((start, time.monotonic()))
        return caption(len(self._taken))

    def busy(self) -> float:
        """Mean share of the places that were taken, from the first request to the last answer."""
        first, last = min(self._taken)[0], max(end for _, end in self._taken)
        return sum(end - start for start, end in self._taken) / (self._parallel * (last - first))


async def connection(
    places: Places, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Answer the requests of one connection."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while head := await reader.readuntil(b"\r\n\r\n"):
            lines = head.decode().lower().split("\r\n")
            lengths = [int(x.split(":")[1]) for x in lines if x.startswith("content-length:")]
            await reader.readexactly(lengths[0] if lengths else 0)
            kind, body = "application/json", json.dumps({"object": "list", "data": [{"id": "m"}]})
            if lines[0].startswith("get /v1/busy"):
                body = json.dumps({"busy": places.busy()})
            elif not lines[0].startswith("get"):
                kind, body = "text/event-stream", _stream(await places.answer())
            writer.write(
                f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}"
                f"\r\n\r\n{body}".encode()
            )
            await writer.drain()
    writer.close()


def _stream(text: str) -> str:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": "stop"}
    chunk = {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": "m"}
    return f"data: {json.dumps({**chunk, 'choices': [choice]})}\n\ndata: [DONE]\n\n"


async def serve(seconds: float, parallel: int, say: Callable[[str], None]) -> None:
    """Serve until the standard input ends; ``say`` is told the URL."""
    places = Places(seconds, parallel)
    server = await asyncio.start_server(
        lambda reader, writer: connection(places, reader, writer), "127.0.0.1", 0
    )
    say(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
    async with server:
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(
        serve(float(sys.argv[1]), int(sys.argv[2]), lambda url: print(url, flush=True)),
    )
