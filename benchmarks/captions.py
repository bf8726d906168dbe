"""Captions: gates a second, cached replies a second with their memory, and a server kept busy.

    PYTHONPATH=src python benchmarks/captions.py [--captions 1000000] [--replies 400]

Each in a process of its own, whose peak memory is shown; seconds are those of the processor:

- gates: judging and comparing different texts;
- slow_gates: those for language and near-duplicates, which are off by default;
- cached: `ask` where the cache has every reply, then `judge`;
- server: `ask` against a server (``caption_server.py``, another process): each answer takes a fixed
  time, so many at once. Of its places a share is in use, from the first request to
  the last answer: that is the share of its throughput that it gives. With as many requests at once
  as it has places; then (waiting) with two more.
"""

import argparse
import contextlib
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
from caption_server import caption

from nicheclip.captions.ask import ask
from nicheclip.captions.backend import Reply
from nicheclip.captions.cache import cache_key
from nicheclip.captions.caption_set import make_caption_set
from nicheclip.captions.gates import Subject, judge
from nicheclip.captions.language import other_language
from nicheclip.captions.mentions import ClassNames
from nicheclip.captions.repeats import Repeats, text_keys
from nicheclip.config.captions import CaptionConfig, GateConfig
from nicheclip.schemas import CATALOG, CLASSES
from nicheclip.terms import RANKS

PROMPTS = Path(__file__).parents[1] / "workflow/registry/prompts"
CLASSES_OF_SET = 1000
SECONDS, PARALLEL = 0.5, 8
TEXTS_OF_A_CLASS = (100, 1000, 10_000)


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


def slow_gates(captions: int) -> dict[str, float]:
    """What the gates for language and near-duplicates take, which are off by default."""
    texts = [caption(number) for number in random.Random(0).sample(range(1_000_000), captions)]
    keys = [text_keys(text) for text in texts]
    other_language(texts[0], "en")  # loads the library
    figures = {}
    start = time.process_time()
    for text in texts:
        other_language(text, "en")
    figures["language"] = time.process_time() - start
    for expected in TEXTS_OF_A_CLASS:
        start = time.process_time()
        for number, (text, key) in enumerate(zip(texts, keys, strict=True)):
            if number % expected == 0:
                repeats = Repeats(GateConfig(near_duplicate=0.8), expected)
            repeats.add(text, key)
        figures[f"near_duplicate, {expected} of a class"] = time.process_time() - start
    return {f"us a text, {name}": 1e6 * value / captions for name, value in figures.items()}


@contextlib.contextmanager
def serving(seconds: float, parallel: int) -> Iterator[str]:
    """The URL of a server in a process of its own."""
    script = Path(__file__).with_name("caption_server.py")
    command = [sys.executable, str(script), str(seconds), str(parallel)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True) as process:
        assert process.stdin and process.stdout
        yield process.stdout.readline().strip()
        process.stdin.close()


def cached(captions: int) -> dict[str, float]:
    """Every reply is in the cache: looked up, written, judged, written again."""
    from nicheclip.captions.ask import _transport

    samples = max(1, captions // CLASSES_OF_SET)
    classes, catalog = class_table(CLASSES_OF_SET), catalog_table(CLASSES_OF_SET)
    arguments = {"classes": classes, "catalog": catalog, "prompts": PROMPTS, "seed": 0}
    with tempfile.TemporaryDirectory() as name, serving(SECONDS, PARALLEL) as url:
        folder, config = Path(name), config_of(url, samples)
        _fill(folder / "cache.jsonl", config, classes, _transport(config))
        start = time.process_time()
        counts = ask(
            config,
            part=0,
            images=[],
            cache=folder / "cache.jsonl",
            target=folder / "replies.parquet",
            **arguments,
        )
        looked_up = time.process_time() - start
        assert counts["from_cache"] == samples * CLASSES_OF_SET and not counts["requested"]
        after_asking = _peak()
        start = time.process_time()
        made = make_caption_set(
            config,
            replies=[folder / "replies.parquet"],
            target=folder / "captions.parquet",
            **arguments,
        )
        judged = time.process_time() - start
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


def server(replies: int, spare: int = 0) -> dict[str, float]:
    """A server that is kept busy, with ``spare`` requests more than it takes at once."""
    samples = max(1, replies // 10)
    with tempfile.TemporaryDirectory() as name, serving(SECONDS, PARALLEL) as url:
        start = time.process_time()
        ask(
            config_of(url, samples, PARALLEL + spare),
            part=0,
            classes=class_table(10),
            catalog=catalog_table(10),
            images=[],
            prompts=PROMPTS,
            seed=0,
            cache=Path(name) / "cache.jsonl",
            target=Path(name) / "replies.parquet",
        )
        seconds = time.process_time() - start
        with urllib.request.urlopen(f"{url}/busy") as answer:
            busy = json.load(answer)["busy"]
    return {"share of the server in use": busy, "ms a reply": 1000 * seconds / (10 * samples)}


def waiting(replies: int) -> dict[str, float]:
    """A server for which two requests wait."""
    return server(replies, spare=2)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


MEASURED: dict[str, Callable[[int], dict[str, float]]] = {
    "gates": gates,
    "slow_gates": slow_gates,
    "cached": cached,
    "server": server,
    "waiting": waiting,
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
        numbers = [arguments.replies] if name in ("server", "waiting") else arguments.captions
        for number in [20_000] if name == "slow_gates" else numbers:
            command = [sys.executable, __file__, "--one", name, str(number)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            print(f"{name}, {number}: {done.stdout.strip() or done.stderr}", flush=True)


if __name__ == "__main__":
    main()
