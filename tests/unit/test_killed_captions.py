"""Asking that is killed again and again ends with the file of an unbroken run."""

import os
import random
import time
from pathlib import Path

import ollama_server
from caption_tables import catalog_table, class_table
from fork_server import start
from nicheclip.captions.ask import ask
from nicheclip.config.captions import CaptionConfig

PROMPTS = Path(__file__).parents[2] / "workflow/registry/prompts"
NAMES = {"spore": "fungal spores", "hyphae": "fungal hyphae", "mycelium": "fungal mycelium"}
SAMPLES = 40
#: NICHECLIP_KILLS=20 for the figure of docs/captions.md
KILLS = int(os.environ.get("NICHECLIP_KILLS", "4"))


def ask_all(folder, url):
    """One part of a caption set, as its job asks for it."""
    backend = {"kind": "ollama", "model": ollama_server.MODEL, "prompt": "photo-description"}
    backend |= {"host": url, "concurrency": 2, "timeout_seconds": 5}
    config = {"dataset": "fungi", "backend": backend, "samples": SAMPLES}
    return ask(
        CaptionConfig.model_validate(config),
        part=0,
        classes=class_table(NAMES),
        catalog=catalog_table({name: {"train": 1} for name in NAMES}),
        images=[],
        prompts=PROMPTS,
        cache=folder / "cache.jsonl",
        seed=0,
        target=folder / "replies.parquet",
    )


def kill_at_random_points(folder, server, kills, seed=0):
    """Start asking ``kills`` times and kill it, each time a few requests later."""
    draw = random.Random(seed)
    furthest = len(NAMES) * SAMPLES // kills
    killed = 0
    for number in range(kills):
        before = len(server.requests)
        job = start(ask_all, folder, server.url, errors=folder / f"errors{number}")
        wanted = draw.randint(1, furthest - 2)
        while len(server.requests) - before < wanted and job.is_alive():
            time.sleep(0.001)
        time.sleep(draw.uniform(0, 0.02))
        job.kill()
        job.join()
        killed += job.exitcode != 0
    return killed


def test_a_run_that_is_killed_at_random_points_ends_with_the_same_file(tmp_path):
    broken, whole = tmp_path / "broken", tmp_path / "whole"
    broken.mkdir()
    whole.mkdir()
    with ollama_server.running(delay=0.01) as server:
        assert kill_at_random_points(broken, server, KILLS) == KILLS
        kept = (broken / "cache.jsonl").read_bytes().count(b"\n")
        counts = ask_all(broken, server.url)
        assert counts["from_cache"] == kept
        # what was under way at a kill is asked for again, and nothing else
        assert sum(server.asked.values()) <= len(NAMES) * SAMPLES + 2 * KILLS
        assert ask_all(whole, server.url)["from_cache"] == 0
    assert (broken / "replies.parquet").read_bytes() == (whole / "replies.parquet").read_bytes()
