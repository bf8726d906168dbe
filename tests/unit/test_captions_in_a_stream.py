"""Judging holds few captions in memory."""

import tracemalloc
from pathlib import Path

import pytest

from caption_tables import catalog_table, class_table
from nicheclip.captions import judged, replies
from nicheclip.captions.backend import Reply, Request
from nicheclip.captions.caption_set import make_caption_set
from nicheclip.captions.replies import write_replies
from nicheclip.captions.tokens import count_tokens
from nicheclip.config.captions import CaptionConfig
from nicheclip.data import row_stream
from nicheclip.schemas import CAPTIONS, read_table

SAMPLES = 20
BACKEND = {"kind": "openai", "model": "m", "prompt": "photo-description", "host": "http://host/v1"}


def judge(folder, classes):
    """The peak of memory while so many classes' captions are judged, and how many there are."""
    names = {f"c{number:05d}": f"species {number}" for number in range(classes)}
    file, target = folder / f"{classes}.parquet", folder / f"captions{classes}.parquet"
    write_replies(
        file,
        (
            (
                Request(class_id, None, sample, "Describe it.", None, 0),
                Reply(
                    f"A photo of a thing with {sample} dots and {number} stripes on plain ground.",
                    *("stop", "m", "digest", "server", "{}"),
                ),
            )
            for number, class_id in enumerate(names)
            for sample in range(SAMPLES)
        ),
    )
    config = {"dataset": "d", "backend": BACKEND, "samples": SAMPLES}
    arguments = {
        "classes": class_table(names),
        "catalog": catalog_table({name: {"train": 1, "test": 1} for name in names}),
        "replies": [file],
        "prompts": Path(),
        "seed": 0,
    }
    tracemalloc.start()
    made = make_caption_set(CaptionConfig.model_validate(config), target=target, **arguments)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert made.counts["accepted"] == classes * SAMPLES == len(read_table(target, CAPTIONS))
    return peak, classes * SAMPLES


def test_memory_does_not_grow_with_the_texts(tmp_path, monkeypatch):
    count_tokens("A text that loads the tokenizer.")
    monkeypatch.setattr(judged, "ROWS_AT_ONCE", 200)
    monkeypatch.setattr(row_stream, "ROWS_AT_ONCE", 200)
    monkeypatch.setattr(replies, "ROWS_AT_ONCE", 200)
    judge(tmp_path, 70)  # fills caches
    (small, few), (large, many) = judge(tmp_path, 20), judge(tmp_path, 70)
    # some numbers of a caption, and a twentieth of its class; its row alone takes above 2,000 bytes
    assert (large - small) / (many - few) == pytest.approx(0, abs=250)
