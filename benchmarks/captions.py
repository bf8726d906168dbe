"""Captions: gates a second, cached replies a second with their memory, and a server kept busy.

    PYTHONPATH=src python benchmarks/captions.py [--captions 1000000] [--replies 400]

Three measurements, each in a process of its own whose peak memory is shown:

- gates: judging and comparing different texts, in seconds of one core (CPU time);
- cached: `ask` where the cache has every reply, then `judge`, in seconds of the clock;
- server: `ask` against a server that answers after a fixed time and takes so many at once; its own
  throughput is what it could answer, parallelism / seconds, from the first request to the last
  answer.
"""

import argparse
import asyncio
import contextlib
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from nicheclip.captions.ask import ask
from nicheclip.captions.backend import Reply
from nicheclip.captions.cache import cache_key
from nicheclip.captions.caption_set import make_caption_set
from nicheclip.captions.gates import Subject, judge
from nicheclip.captions.mentions import ClassNames
from nicheclip.captions.repeats import Repeats, text_keys
from nicheclip.config.captions import CaptionConfig
from nicheclip.schemas import CATALOG, CLASSES
from nicheclip.terms import RANKS

PROMPTS = Path(__file__).parents[1] / "workflow/registry/prompts"
BODIES = ("caps", "discs", "threads", "gills", "rings", "tufts", "cups", "dots", "stems", "scales")
HUES = ("golden", "brown", "white", "orange", "pale", "olive", "grey", "violet", "cream", "black")
GROUNDS = ("moss", "sand", "bark", "soil", "glass", "snow", "leaf litter", "stone", "peat", "wood")
CLASSES_OF_SET = 1000
SECONDS, PARALLEL = 0.5, 8


def caption(number: int) -> str:
    """A different text of about twenty words for each number below a million."""
    a, b, c, d, e, f = (number // 10**place % 10 for place in range(6))
    return (
        f"A photo of {HUES[a]} {BODIES[b]} on {GROUNDS[c]}, with {HUES[d]} edges and small round "
        f"{BODIES[e]} that stand close together in bright light beside {GROUNDS[f]}."
    )


def class_table(classes: int) -> pa.Table:
    """So many classes (schema CLASSES)."""
    empty = dict.fromkeys([*RANKS, "common"], "")
    rows = [
        {"class_id": f"c{number:05d}", "name": f"species number {number}", "images": 1} | empty
        for number in range(classes)
    ]
    return pa.Table.from_pylist(rows, schema=CLASSES)


def catalog_table(classes: int) -> pa.Table:
    """An image to train on and one to test on for each class (schema CATALOG)."""
    rows = [
        {"image_id": f"{split}{number}", "class_id": f"c{number:05d}", "split": split}
        for number in range(classes)
        for split in ("train", "test")
    ]
    return pa.Table.from_pylist(rows, schema=CATALOG)


def config_of(host: str, samples: int, concurrency: int = PARALLEL) -> CaptionConfig:
    """Captions of classes by a server that speaks OpenAI's protocol."""
    backend = {"kind": "openai", "model": "m", "prompt": "photo-description", "host": host}
    backend |= {"concurrency": concurrency, "timeout_seconds": 60}
    values = {"dataset": "d", "backend": backend, "samples": samples}
    return CaptionConfig.model_validate(values)


def gates(captions: int) -> dict[str, float]:
    """Gates alone."""
    texts = [caption(number) for number in range(captions)]
    names = ClassNames({f"c{n}": [f"species number {n}"] for n in range(CLASSES_OF_SET)})
    config = config_of("http://localhost", 1).gates
    subject = Subject("c1", "Describe a photo of a mushroom in one sentence.", "stop")
    judge(texts[0], subject, names, config)  # loads the tokenizer
    start, repeats, accepted = time.process_time(), Repeats(config), 0
    for number, text in enumerate(texts):
        if number % 1000 == 0:
            repeats = Repeats(config)
        judgement = judge(text, subject, names, config)
        accepted += not repeats.add(judgement.text, text_keys(judgement.text))
    seconds = time.process_time() - start
    assert accepted == captions
    return {"captions a second of a core": captions / seconds}


class _Server:
    """A server on a thread of its own: each answer takes ``SECONDS``, ``PARALLEL`` at a time."""

    def __init__(self) -> None:
        self._ready = threading.Event()
        self.number = 0
        self.times = [0.0, 0.0]
        threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True).start()
        self._ready.wait()

    async def _serve(self) -> None:
        self._slots = asyncio.Semaphore(PARALLEL)
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        self._ready.set()
        await server.serve_forever()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode().lower().split("\r\n")
                lengths = [int(x.split(":")[1]) for x in lines if x.startswith("content-length:")]
                await reader.readexactly(lengths[0] if lengths else 0)
                kind, body = await self._answer(lines[0].startswith("get"))
                writer.write(
                    f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}"
                    f"\r\n\r\n{body}".encode()
                )
                await writer.drain()

    async def _answer(self, asks_for_models: bool) -> tuple[str, str]:
        if asks_for_models:
            return "application/json", json.dumps({"object": "list", "data": [{"id": "m"}]})
        self.times[0] = self.times[0] or time.monotonic()
        async with self._slots:
            await asyncio.sleep(SECONDS)
        self.times[1] = time.monotonic()
        self.number += 1
        choice = {"index": 0, "delta": {"content": caption(self.number)}, "finish_reason": "stop"}
        chunk = {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": "m"}
        return "text/event-stream", (
            f"data: {json.dumps({**chunk, 'choices': [choice]})}\n\ndata: [DONE]\n\n"
        )


def cached(captions: int) -> dict[str, float]:
    """Every reply is in the cache: looked up, written, judged, written again."""
    from nicheclip.captions.ask import _transport

    samples = max(1, captions // CLASSES_OF_SET)
    config = config_of(_Server().url, samples)
    classes, catalog = class_table(CLASSES_OF_SET), catalog_table(CLASSES_OF_SET)
    arguments = {"classes": classes, "catalog": catalog, "prompts": PROMPTS, "seed": 0}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _fill(folder / "cache.jsonl", config, classes, _transport(config))
        start = time.monotonic()
        counts = ask(
            config,
            part=0,
            images=[],
            cache=folder / "cache.jsonl",
            target=folder / "replies.parquet",
            **arguments,
        )
        looked_up = time.monotonic() - start
        assert counts["from_cache"] == samples * CLASSES_OF_SET and not counts["requested"]
        after_asking = _peak()
        start = time.monotonic()
        made = make_caption_set(
            config,
            replies=[folder / "replies.parquet"],
            target=folder / "captions.parquet",
            **arguments,
        )
        judged = time.monotonic() - start
        assert made.counts["accepted"] == made.counts["asked"]
    figures = {"seconds to look up and write": looked_up, "seconds to judge and write": judged}
    return {**figures, "MB after asking": after_asking}


def _fill(path: Path, config: CaptionConfig, classes: pa.Table, transport: object) -> None:
    """Let the cache know every reply, as asking would have."""
    from nicheclip.captions.targets import Questions, class_names, requests, targets
    from nicheclip.captions.variables import read_values

    prompt, values = read_values(config.backend, PROMPTS)
    names = class_names(classes)
    wanted = requests(
        list(targets(config, names, pa.Table.from_pylist([], schema=CATALOG))),
        Questions(prompt, values, names),
        samples=config.samples,
        variants=1,
        images=[],
        seed=0,
    )
    with transport as opened, path.open("w") as file:
        identity = opened.identity
        for number, request in enumerate(wanted):
            options = json.dumps(opened.options(request.seed + request.sample), sort_keys=True)
            key = cache_key(identity, request, version=prompt.version, options=options)
            reply = Reply(caption(number), "stop", "openai:m", identity.digest, "", options)
            file.write(json.dumps({"key": key, **vars(reply)}) + "\n")


def server(replies: int) -> dict[str, float]:
    """A server that is kept busy."""
    samples = max(1, replies // 10)
    serving = _Server()
    with tempfile.TemporaryDirectory() as name:
        ask(
            config_of(serving.url, samples),
            part=0,
            classes=class_table(10),
            catalog=catalog_table(10),
            images=[],
            prompts=PROMPTS,
            seed=0,
            cache=Path(name) / "cache.jsonl",
            target=Path(name) / "replies.parquet",
        )
    first, last = serving.times
    best = samples * 10 * SECONDS / PARALLEL
    return {"share of the server's throughput": best / (last - first)}


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


MEASURED: dict[str, Callable[[int], dict[str, float]]] = {
    "gates": gates,
    "cached": cached,
    "server": server,
}


def main() -> None:
    """Print one line for each measurement."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--captions", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--replies", type=int, default=400)
    parser.add_argument("--only", choices=MEASURED, nargs="+", default=[*MEASURED])
    parser.add_argument("--one", nargs=2, metavar=("NAME", "NUMBER"))
    arguments = parser.parse_args()
    if arguments.one:
        name, number = arguments.one
        found = MEASURED[name](int(number)) | {"MB at most": _peak()}
        print(", ".join(f"{what} {value:.4g}" for what, value in found.items()))
        return
    for name in arguments.only:
        for number in [arguments.replies] if name == "server" else arguments.captions:
            command = [sys.executable, __file__, "--one", name, str(number)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            print(f"{name}, {number}: {done.stdout.strip() or done.stderr}", flush=True)


if __name__ == "__main__":
    main()
