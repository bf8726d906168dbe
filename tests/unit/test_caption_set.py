"""Caption sets: judged, shared out over splits, cached, and resumed after a kill."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ollama_server
from caption_tables import catalog_table, class_table
from image_sets import write_images
from nicheclip.captions.ask import ask
from nicheclip.captions.backend import BackendUnavailable
from nicheclip.captions.caption_set import make_caption_set
from nicheclip.captions.repeats import normalised, text_keys
from nicheclip.captions.splits import PLACES, partition, text_groups
from nicheclip.config.captions import CaptionConfig
from nicheclip.runtime.errors import InputError
from nicheclip.schemas import CAPTIONS, CATALOG, EVERY_SPLIT, read_table
from nicheclip.terms import SPLITS

PROMPTS = Path(__file__).parents[2] / "workflow/registry/prompts"
FUNGI = {"spore": "fungal spores", "hyphae": "fungal hyphae", "mycelium": "fungal mycelium"}
IMAGES_EACH = {"train": 16, "val": 2, "test": 2}
GRAMMAR = {"kind": "template", "grammar": "fungi"}


def make(
    tmp_path,
    backend,
    *,
    names=FUNGI,
    images=None,
    catalog=None,
    files=(),
    seed=0,
    prompts=PROMPTS,
    **config,
):
    catalog = catalog or catalog_table(images or dict.fromkeys(names, IMAGES_EACH))
    config = CaptionConfig.model_validate({"dataset": "fungi", "backend": backend, **config})
    classes = class_table(names)
    parts = range(config.parts if config.backend.remote else 0)
    replies = [tmp_path / f"replies/{part}.parquet" for part in parts]
    counts = Counter()
    for part in parts:
        counts += ask(
            config,
            part=part,
            classes=classes,
            catalog=catalog,
            images=list(files),
            prompts=prompts,
            cache=tmp_path / f"cache/{part}.jsonl",
            seed=seed,
            target=replies[part],
        )
    target = tmp_path / "captions.parquet"
    made = make_caption_set(
        config,
        classes=classes,
        catalog=catalog,
        replies=replies,
        prompts=prompts,
        seed=seed,
        target=target,
    )
    assert not list(tmp_path.glob(".*"))  # nothing temporary stays
    asked = {name: counts[name] for name in ("requested", "from_cache") if counts[name]}
    counts = {**made.counts, **asked}
    return SimpleNamespace(table=read_table(target, CAPTIONS), counts=counts, dropped=made.dropped)


def ollama(url, **more):
    backend = {"kind": "ollama", "model": ollama_server.MODEL, "prompt": "photo-description"}
    return {**backend, "host": url, "timeout_seconds": 5, "attempts": 1, **more}


def replay(tmp_path, rows):
    path = tmp_path / "replay.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {"kind": "replay", "path": str(path)}


def rows(captions, **wanted):
    found = captions.table.to_pylist()
    return [row for row in found if all(row[key] == value for key, value in wanted.items())]


def test_a_grammar_gives_every_class_its_captions(tmp_path):
    captions = make(tmp_path, GRAMMAR, samples=20)
    assert captions.table.schema.equals(CAPTIONS)
    assert captions.counts == {"asked": 60, "generated": 60, "accepted": 60}
    assert [(r["class_id"], r["sample"]) for r in rows(captions)] == [
        (class_id, sample) for class_id in FUNGI for sample in range(20)
    ]
    # 20 captions over 16, 2 and 2 images
    for class_id in FUNGI:
        shares = Counter(row["split"] for row in rows(captions, class_id=class_id))
        assert shares == IMAGES_EACH
    assert make(tmp_path, GRAMMAR, samples=20).table.equals(captions.table)
    assert not make(tmp_path, GRAMMAR, samples=20, seed=1).table.equals(captions.table)
    assert not (tmp_path / "cache/0.jsonl").exists()


def test_a_grammar_that_runs_out_says_so(tmp_path):
    (tmp_path / "small.yaml").write_text(
        "{kind: grammar, version: 1, patterns: ['{hue} {class} lie on {ground} today.'],"
        " shared: {hue: [red, blue, green], ground: [grass, sand]}}"
    )
    backend = GRAMMAR | {"grammar": "small"}
    captions = make(tmp_path, backend, prompts=tmp_path, samples=20)
    assert captions.counts == {"asked": 60, "generated": 18, "accepted": 18}
    assert [(d.key, d.reason) for d in captions.dropped] == [
        (class_id, "fewer samples than asked for") for class_id in FUNGI
    ]


def test_rejected_replies_stay_with_their_reasons(tmp_path):
    def answer(prompt, seed):
        return "I can't do that." if seed % 2 else ollama_server.caption(prompt, seed)

    with ollama_server.running(reply=answer) as server:
        captions = make(tmp_path, ollama(server.url), samples=10)
    assert captions.counts == {
        "asked": 30,
        "generated": 30,
        "requested": 30,
        "accepted": 15,
        "rejected_refusal": 15,
        "rejected_too_short": 15,
    }
    rejected = rows(captions, verdict="rejected")
    assert {row["split"] for row in rejected} == {None}
    assert {row["raw"] for row in rejected} == {"I can't do that."}
    assert {tuple(row["reasons"]) for row in rejected} == {
        ("too_short: 4 words", "refusal: I can't")
    }


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"done_reason": "length"}, "incomplete 5"),
        ({"done_reason": "load", "reply": lambda prompt, seed: ""}, "empty 5"),
        (
            {"reply": lambda prompt, seed: "As an AI, I cannot see spores in any picture."},
            "refusal 5",
        ),
        ({"reply": lambda prompt, seed: prompt}, "empty 5"),
        ({"reply": lambda prompt, seed: "The same caption for each of all."}, None),
    ],
)
def test_a_class_without_a_caption_stops_with_the_reasons(tmp_path, settings, reason):
    images = {"spore": {"train": 3}}
    with ollama_server.running(**settings) as server:
        arguments = {"names": {"spore": "spores"}, "images": images, "samples": 5}
        if reason is None:  # one of five equal replies is enough
            captions = make(tmp_path, ollama(server.url), **arguments)
            assert captions.counts["rejected_duplicate"] == 4
            return
        with pytest.raises(InputError, match=rf"(?s)1 of 1 classes have no.*spore: {reason}"):
            make(tmp_path, ollama(server.url), **arguments)


def test_a_model_that_only_thinks_is_named_with_the_way_out(tmp_path, caplog):
    arguments = {"names": {"spore": "spores"}, "images": {"spore": {"train": 3}}, "samples": 5}
    advice = r"raise options\.num_predict of the backend .*, or choose a model that does not think"
    with ollama_server.running(thinking="A spore ...", reply=lambda *_: "") as server:
        with pytest.raises(InputError, match=rf"(?s)spore: only_thinking 5\n.*{advice}"):
            make(tmp_path, ollama(server.url), **arguments)
        server.reply = lambda prompt, seed: ollama_server.caption(prompt, seed) if seed < 2 else ""
        backend = ollama(server.url, options={"num_predict": 1000})
        captions = make(tmp_path, backend, **arguments)
        again = make(tmp_path, backend, **arguments)
    assert captions.counts["rejected_only_thinking"] == 3
    assert again.counts["from_cache"] == 5
    assert again.table.equals(captions.table)
    assert re.search(rf"3 of 5 replies hold no answer\. .*{advice}", caplog.text)


def test_a_row_that_holds_half_of_a_character_is_rejected(tmp_path):
    lines = [
        {"class_id": "spore", "text": "Golden discs \ud83d lie far apart."},
        {"class_id": "spore", "text": "Golden discs lie far apart."},
    ]
    captions = make(tmp_path, replay(tmp_path, lines), names={"spore": "spores"})
    assert [(row["verdict"], row["reasons"]) for row in rows(captions)] == [
        ("rejected", ["junk: \ufffd"]),
        ("accepted", []),
    ]


def test_a_second_run_asks_for_nothing(tmp_path):
    with ollama_server.running() as server:
        first = make(tmp_path, ollama(server.url), samples=6)
        assert first.counts["requested"] == 18
        again = make(tmp_path, ollama(server.url), samples=6)
        assert again.counts["from_cache"] == 18
        assert again.table.equals(first.table)
        assert len(server.requests) == 18
        more = make(tmp_path, ollama(server.url), samples=8)
        assert (more.counts["from_cache"], more.counts["requested"]) == (18, 6)
        server.digest = "f" * 64  # the tag moved to another model
        assert make(tmp_path, ollama(server.url), samples=6).counts["requested"] == 18


def test_trouble_keeps_what_is_finished(tmp_path):
    with ollama_server.running(faults=[None] * 10 + [500]) as server:
        backend = ollama(server.url, concurrency=1)
        with pytest.raises(BackendUnavailable, match="answers 500"):
            make(tmp_path, backend, samples=6)
        assert make(tmp_path, backend, samples=6).counts["from_cache"] >= 10
        assert set(server.asked.values()) <= {1, 2}
        assert sum(server.asked.values()) == 19  # the one that failed, twice


def test_concurrent_replies_come_in_order(tmp_path):
    with ollama_server.running(delay=0.05) as server:
        captions = make(tmp_path, ollama(server.url, concurrency=8), samples=10)
        assert server.most_active == 8
    assert [json.loads(r["options"])["seed"] for r in rows(captions)] == [*range(10)] * 3


JOB = """
import sys
from pathlib import Path
sys.path[:0] = {path!r}
from test_caption_set import make, ollama
make(Path({folder!r}), ollama({url!r}, concurrency=2), samples=40)
"""


def test_kill_and_resume_asks_for_no_finished_caption_again(tmp_path):
    with ollama_server.running(delay=0.02) as server:
        code = JOB.format(path=sys.path, folder=str(tmp_path), url=server.url)
        job = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "LANG": "C"})
        while len(server.requests) < 30:
            assert job.poll() is None
            time.sleep(0.01)
        job.send_signal(signal.SIGKILL)
        job.wait()
        time.sleep(0.1)
        path = tmp_path / "cache/0.jsonl"
        finished = path.read_bytes().count(b"\n")
        assert finished >= 20
        with path.open("ab") as file:  # as if the kill had come in the middle of a line
            file.write(b'{"key": "00", "text": "A cu')
        asked = server.asked
        captions = make(tmp_path, ollama(server.url, concurrency=2), samples=40)
        assert captions.counts["from_cache"] == finished
        assert captions.counts["requested"] == 120 - finished
        # only what was under way when the kill came was asked for twice
        assert sum(server.asked.values()) - 120 == sum(asked.values()) - finished <= 2
        assert max(server.asked.values()) <= 2


def test_images_are_shown_to_a_model_that_sees(tmp_path):
    rows_of_catalog = catalog_table({"spore": IMAGES_EACH}).to_pylist()
    ids = [f"{number:016x}" for number in range(len(rows_of_catalog))]
    named = [row | {"image_id": i} for row, i in zip(rows_of_catalog, ids, strict=True)]
    catalog = pa.Table.from_pylist(named, schema=CATALOG)
    parts = [tmp_path / "images/train", tmp_path / "images/test"]
    stored = [
        {"image_id": i, "class_id": "spore", "split": split, "jpg": i.encode(), "tar": 0}
        for split, part in (("train", ids[::2][::-1]), ("test", ids[1::2]))
        for i in part
    ]
    write_images(tmp_path / "images", stored)
    names = {"spore": "fungal spores"}
    arguments = {"names": names, "catalog": catalog, "per": "image", "samples": 2}
    gates = {"unique": False}
    with ollama_server.running(capabilities=("vision",)) as server:
        captions = make(tmp_path, ollama(server.url), files=parts, gates=gates, **arguments)
        assert len(server.requests) == 40
        assert {len(request["images"]) for request in server.requests} == {1}
        with pytest.raises(InputError, match=r"10 images of the catalog.*in none of .*train"):
            make(tmp_path, ollama(server.url), files=parts[:1], gates=gates, **arguments)
    found = [(r["image_id"], r["sample"]) for r in rows(captions)]
    assert sorted(found) == [(image_id, sample) for image_id in ids for sample in range(2)]
    assert [sample for _, sample in found] == [0, 1] * 20  # image by image
    # the server looks at the prompt alone, so all images got the same two texts; each of them may
    # stay in one split only
    assert captions.counts["accepted"] == 32
    assert captions.counts["rejected_crosses_splits"] == 8
    assert {row["split"] for row in rows(captions, verdict="accepted")} == {"train"}


def test_a_grammar_cannot_describe_images(tmp_path):
    with pytest.raises(InputError, match="a grammar does not see images"):
        make(tmp_path, GRAMMAR, per="image")


def test_replayed_descriptions_serve_every_split(tmp_path):
    lines = [
        {"class_id": "spore", "text": "Golden discs lie far apart."},
        {"class_id": "hyphae", "text": "Orange threads fork in small tufts."},
        {"class_id": "ghost", "text": "Nothing of this data set."},
    ]
    captions = make(tmp_path, replay(tmp_path, lines))
    assert {(row["class_id"], row["split"]) for row in rows(captions)} == {
        ("spore", EVERY_SPLIT),
        ("hyphae", EVERY_SPLIT),
    }
    assert Counter(d.reason for d in captions.dropped) == {
        "replay: unknown class_id": 1,
        "no sample": 1,
        "fewer samples than asked for": 2,
    }
    assert {d.key for d in captions.dropped if d.reason == "no sample"} == {"mycelium"}


def test_too_few_captions_for_the_splits(tmp_path):
    with pytest.raises(InputError, match=r"'spore' has 2 different .* Ask for more samples"):
        make(tmp_path, GRAMMAR, samples=2)


TEXTS = [
    "a red body.",
    "A red  body!",
    "a blue body.",
    "a green body.",
    "a large body.",
    "a small body.",
    "cat " * 80 + "one",
    "cat " * 80 + "two",
]


def groups_of(texts, seed=0):
    keys = [text_keys(text, seed) for text in texts]
    whole, read = ([getattr(key, name) for key in keys] for name in ("whole", "read"))
    return text_groups(np.array(whole, np.uint64), np.array(read, np.uint64))


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(TEXTS)), max_size=30),
    st.fixed_dictionaries(
        {
            class_id: st.fixed_dictionaries(
                {split: st.integers(0, 9) for split in ("train", "val", "test")}
            )
            for class_id in "abc"
        }
    ),
    st.integers(0, 9),
)
def test_no_text_crosses_splits_and_no_split_goes_without(pairs, images, seed):
    def shared_out():
        chosen = partition(
            np.array(["abc".index(class_id) for class_id, _ in pairs], np.int64),
            groups_of([text for _, text in pairs], seed),
            np.array([text_keys(text, seed).whole for _, text in pairs], np.uint64),
            class_ids="abc",
            images={c: [own[split] for split in SPLITS] for c, own in images.items()},
            descriptions=False,
        )
        return [PLACES[place] for place in chosen]

    try:
        splits = shared_out()
    except InputError:
        # only where some class has fewer texts than splits, or shares texts with another class
        groups = defaultdict(set)
        for (class_id, _), group in zip(pairs, groups_of([t for _, t in pairs]), strict=True):
            groups[class_id].add(group)
        needs = {c: sum(n > 0 for n in images[c].values()) for c in groups}
        assert any(
            len(own) < needs[c] or any(own & other for d, other in groups.items() if d != c)
            for c, own in groups.items()
        )
        return
    assert splits == shared_out()
    places = defaultdict(set)
    served = defaultdict(set)
    for (class_id, text), split in zip(pairs, splits, strict=True):
        places[normalised(text)[:100]].add(split)
        served[class_id].add(split)
    for found in places.values():
        assert len(found - {EVERY_SPLIT}) <= 1
    for class_id, found in served.items():
        if EVERY_SPLIT not in found:
            assert {split for split, n in images[class_id].items() if n} <= found


def test_texts_are_equal_as_far_as_clip_reads():
    groups = groups_of(TEXTS)
    assert groups[0] == groups[1]
    assert groups[6] == groups[7]
    assert len(set(groups.tolist())) == 6
