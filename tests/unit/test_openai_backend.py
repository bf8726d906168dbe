"""The openai backend and its engine against a server that misbehaves to order."""

import json
import logging
import re
import socket
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import ValidationError

import openai_server
from caption_tables import catalog_table, class_table
from nicheclip.captions.answers import DECLINED
from nicheclip.captions.ask import ask
from nicheclip.captions.asking import SEED_STRIDE, Asking
from nicheclip.captions.backend import BackendUnavailable, Request
from nicheclip.captions.caption_set import make_caption_set
from nicheclip.config.captions import CaptionConfig
from nicheclip.config.llm_backends import OpenaiBackend as OpenaiConfig
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.manifest import ManifestWriter
from nicheclip.schemas import CAPTIONS, read_table

openai = pytest.importorskip("openai", reason="the extra `openai` is not installed")

PROMPTS = Path(__file__).parents[2] / "workflow/registry/prompts"
PROMPT = "Describe a spore."
REQUEST = Request("spore", None, 3, PROMPT, None, 100)
NAMES = {"spore": "fungal spores", "hyphae": "fungal hyphae"}


def settings(url, **more):
    values = {"kind": "openai", "model": openai_server.MODEL, "prompt": "photo-description"}
    return {**values, "host": url, "timeout_seconds": 5, "attempts": 1, **more}


def backend(url, **more):
    from nicheclip.captions.openai import open_transport

    config = OpenaiConfig.model_validate(settings(url, **more))
    return Asking(open_transport(config, vision=False), config, first_wait=0.01)


def make(tmp_path, backend, *, samples=6, **config):
    """Ask and judge, as the two jobs do; returns the caption set and the account."""
    config = {"dataset": "fungi", "backend": backend, "samples": samples, **config}
    config = CaptionConfig.model_validate(config)
    arguments = {
        "classes": class_table(NAMES),
        "catalog": catalog_table({name: {"train": 2} for name in NAMES}),
        "prompts": PROMPTS,
        "seed": 0,
    }
    files, counts = [tmp_path / f"{part}.parquet" for part in range(config.parts)], []
    for part, file in enumerate(files):
        cache = tmp_path / f"{part}.jsonl"
        counts.append(ask(config, part=part, images=[], cache=cache, target=file, **arguments))
    target = tmp_path / "captions.parquet"
    made = make_caption_set(config, replies=files, target=target, **arguments)
    return SimpleNamespace(table=read_table(target, CAPTIONS), **vars(made)), counts


def test_a_reply_and_its_provenance():
    with openai_server.running() as server, backend(server.url) as asking:
        reply = asking.answer(REQUEST)
        assert reply.text == openai_server.caption(PROMPT, 103)
        assert (reply.done_reason, reply.model, reply.server) == (
            "stop",
            "openai:small-model",
            "fp_1",
        )
        assert (reply.tokens_in, reply.tokens_out) == (3, len(reply.text.split()))
        body = server.requests[0]
        sent = {"temperature": 0.9, "top_p": 0.9, "max_tokens": 120, "seed": 103}
        assert {name: body[name] for name in sent} == sent
        assert json.loads(reply.options) == sent
        assert body["messages"] == [{"role": "user", "content": PROMPT}]


def test_options_can_be_left_out_and_added():
    options = {
        "temperature": None,
        "seed": None,
        "max_tokens": 9,
        "max_tokens_name": "max_completion_tokens",
        "extra": {"top_k": 40},
    }
    with openai_server.running() as server, backend(server.url, options=options) as asking:
        asking.answer(REQUEST)
        body = server.requests[0]
        assert not {"temperature", "seed", "max_tokens"} & body.keys()
        assert (body["max_completion_tokens"], body["top_k"]) == (9, 40)


def test_an_image_is_sent_beside_the_prompt():
    with openai_server.running() as server, backend(server.url) as asking:
        asking.answer(Request("spore", "i1", 0, PROMPT, b"\xff\xd8jpeg", 0))
        text, image = server.requests[0]["messages"][0]["content"]
    assert text == {"type": "text", "text": PROMPT}
    assert image["image_url"] == {"url": "data:image/jpeg;base64,/9hqcGVn"}


def test_several_captions_are_asked_for_by_a_schema():
    reply = json.dumps({"captions": ["One red disc lies here.", "Two red discs lie here."]})
    with (
        openai_server.running(reply=lambda *_: reply) as server,
        backend(server.url) as asking,
    ):
        asking.answer(Request("spore", None, 0, PROMPT, None, 0, variants=2))
        sent = server.requests[0]["response_format"]
    assert sent["type"] == "json_schema"
    assert sent["json_schema"]["schema"]["properties"]["captions"]["minItems"] == 2


@pytest.mark.parametrize("fault", [500, 502, "drop", "cut", "error", "end", b"", b"{}"])
def test_a_failed_try_is_followed_by_another_seed(fault):
    with (
        openai_server.running(faults=[fault, fault]) as server,
        backend(server.url, attempts=3) as asking,
    ):
        seed = 103 + 2 * SEED_STRIDE
        assert asking.answer(REQUEST).text == openai_server.caption(PROMPT, seed)
        assert [r["seed"] for r in server.requests] == [103, 103 + SEED_STRIDE, seed]


@pytest.mark.parametrize(
    "fault", [429, 503, (429, {"Retry-After": "0.2"}), (503, {"Retry-After": "rubbish"})]
)
def test_a_busy_server_is_asked_again_for_the_same(fault):
    with openai_server.running(faults=[fault] * 3) as server, backend(server.url) as asking:
        start = time.monotonic()
        assert asking.answer(REQUEST).text == openai_server.caption(PROMPT, 103)
        if isinstance(fault, tuple) and fault[1]["Retry-After"] == "0.2":
            assert time.monotonic() - start >= 0.6
        assert [r["seed"] for r in server.requests] == [103] * 4


@pytest.mark.parametrize("wait", ["100000", "Wed, 01 Jan 2200 00:00:00 GMT"])
def test_patience_ends(wait):
    with (
        openai_server.running(faults=[(429, {"Retry-After": wait})]) as server,
        backend(server.url, patience_seconds=5) as asking,
        pytest.raises(BackendUnavailable, match=r"answers 429: .* Raise backend\.patience_seconds"),
    ):
        asking.answer(REQUEST)


@pytest.mark.parametrize("fault", ["hang", "crawl"])
def test_a_slow_reply_is_given_up(fault):
    start = time.monotonic()
    with (
        openai_server.running(faults=[fault]) as server,
        backend(server.url, timeout_seconds=0.4) as asking,
        pytest.raises(BackendUnavailable, match=r"did not finish within 0\.4 s; 1 try"),
    ):
        asking.answer(REQUEST)
    assert time.monotonic() - start < 5


HTML = b"<html><body>Please log in to the network.</body></html>"
BODIES = [
    HTML,
    b"[]",
    b"data: null\n\n",
    b"data: 3\n\n",
    b"data: [\n\n",
    b"data: " + b"[" * 100_000 + b"\n\n",
    b"data: {}\n\ndata: [DONE]\n\n",
    b'data: {"choices": 3}\n\n',
    b'data: {"choices": [{"delta": {"content": 7}, "finish_reason": "stop"}]}\n\n',
    b'data: {"choices": [{"delta": null, "finish_reason": "stop"}]}\n\n',
    b'data: {"error": {"message": "out of memory"}}\n\n',
    b'data: {"error": "out of memory"}\n\n',
    b'{"error": {"message": "out of memory"}}',
    b"data: \xff\xfe\n\n",
]


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_an_answer_of_another_shape_is_no_caption(body):
    with (
        openai_server.running(faults=[body] * 2) as server,
        backend(server.url, attempts=2) as asking,
        pytest.raises(BackendUnavailable, match=rf"the server at {server.url} .*; 2 tries\."),
    ):
        asking.answer(REQUEST)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        ("A body with \ud83d half of a character.", "junk"),
        ("A body with a \x00 in the middle.", "junk"),
        ("I'm sorry, but I cannot describe a spore.", "refusal"),
        ("word " * 80_000, "too_long"),
        ("Error: the model is overloaded, try again later.", "junk"),
    ],
)
def test_a_bad_text_is_a_rejected_row(tmp_path, text, reason):
    def reply(prompt, seed):
        # the first sample of each class, with the other seed that is tried for it
        return text if seed % SEED_STRIDE == 0 else openai_server.caption(prompt, seed)

    with openai_server.running(reply=reply) as server:
        made, _ = make(tmp_path, settings(server.url))
    rows = made.table.to_pylist()
    bad = [row for row in rows if row["sample"] == 0]
    assert {row["verdict"] for row in bad} == {"rejected"}
    assert all(any(r.startswith(reason) for r in row["reasons"]) for row in bad)
    assert made.counts["accepted"] == 10


def test_thinking_alone_is_a_rejected_row(tmp_path):
    def reply(prompt, seed):
        return "" if seed % SEED_STRIDE == 0 else openai_server.caption(prompt, seed)

    with openai_server.running(reply=reply, thinking="Hm, a spore?") as server:
        made, (account,) = make(tmp_path, settings(server.url))
    assert made.counts["rejected_only_thinking"] == 2
    assert account["other_seed"] == 2


def test_an_image_that_is_too_large_ends_no_job(tmp_path):
    with openai_server.running(faults=[None, 413]) as server:
        made, (account,) = make(tmp_path, settings(server.url, concurrency=1))
        assert (made.counts["rejected_declined"], account["declined"]) == (1, 1)
        row = made.table.to_pylist()[1]
        assert (row["raw"], row["verdict"]) == ("", "rejected")
        assert row["done_reason"].startswith(DECLINED)
        # nothing is kept of it: the next run asks again
        again, (account,) = make(tmp_path, settings(server.url, concurrency=1))
        assert (account["requested"], again.counts["accepted"]) == (1, 12)


def test_a_server_that_declines_everything_ends_the_job(tmp_path):
    with (
        openai_server.running(faults=[400] * 9) as server,
        pytest.raises(BackendUnavailable, match="answers 400: trouble 400"),
    ):
        make(tmp_path, settings(server.url, concurrency=1))


def test_an_absent_server_or_model_is_named():
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        with pytest.raises(BackendUnavailable, match=rf"{url} cannot be used"), backend(url):
            pass
    with (
        openai_server.running(models=("large-model",)) as server,
        pytest.raises(BackendUnavailable, match=r"no model 'small-model' \(it has: large-model\)"),
        backend(server.url),
    ):
        pass


def test_a_server_that_dies_loses_nothing(tmp_path):
    with openai_server.running(faults=[None] * 7 + ["drop"] * 9) as server:
        with pytest.raises(BackendUnavailable, match="cannot be used"):
            make(tmp_path, settings(server.url, concurrency=1))
        server.faults = []
        _, (account,) = make(tmp_path, settings(server.url, concurrency=1))
        assert (account["from_cache"], account["requested"]) == (7, 5)


def test_the_key_is_written_nowhere(tmp_path, monkeypatch, caplog):
    """Not where all goes well, and not in what is said when the server repeats it."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("MY_KEY", openai_server.KEY)
    with openai_server.running(key=openai_server.KEY) as server:
        config = settings(server.url, key_from="MY_KEY")
        _, (account,) = make(tmp_path, config)
        manifest = ManifestWriter("replies", config=config, code="")
        manifest.write(tmp_path / "manifest.json", outputs=[], counts=account)
        server.key = "another"
        with pytest.raises(BackendUnavailable, match=r"answers 401: .*provided: \*\*\*") as caught:
            make(tmp_path, config)
    written = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert len(list(tmp_path.iterdir())) == 4
    said = f"{caught.value!r} {caught.value.__cause__!r} {caplog.text} {config}"
    assert b"MY_KEY" in written
    assert openai_server.KEY.encode() not in written
    assert openai_server.KEY not in said


def test_a_missing_key_is_named(monkeypatch):
    monkeypatch.delenv("MY_KEY", raising=False)
    with (
        openai_server.running() as server,
        pytest.raises(InputError, match=r"variable MY_KEY, which backend\.key_from names, is not"),
        backend(server.url, key_from="MY_KEY"),
    ):
        pass


def test_a_key_of_the_environment_goes_to_no_other_server(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", openai_server.KEY)
    with (
        openai_server.running(key=openai_server.KEY) as server,
        pytest.raises(BackendUnavailable, match="401"),
        backend(server.url),
    ):
        pass


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"key_from": openai_server.KEY}, "name of an environment variable"),
        ({"host": None}, "either host .* or server"),
        ({"host": "localhost"}, "begins with http"),
        ({"limits": {"money": 1.0}}, "limits.money needs prices"),
    ],
)
def test_a_wrong_config_is_named(change, message):
    with pytest.raises(ValidationError, match=message):
        OpenaiConfig.model_validate(settings("http://localhost:1/v1") | change)


@pytest.mark.parametrize(
    ("limits", "reached"),
    [
        ({"requests": 4}, "limit of 4 requests"),
        ({"tokens": 50}, "limit of 50 tokens"),
        ({"money": 0.0001}, r"limit of 0\.0001 money"),
        ({"hours": 1e-9}, "limit of 1e-09 hours"),
    ],
)
def test_limits_stop_the_job_and_keep_its_replies(tmp_path, limits, reached):
    config = {"prices": {"input": 1.0, "output": 2.0}, "concurrency": 1}
    with openai_server.running() as server:
        with pytest.raises(BackendUnavailable, match=reached):
            make(tmp_path, settings(server.url, limits=limits, **config))
        finished = len(server.requests)
        assert finished < 12
        _, (account,) = make(tmp_path, settings(server.url, **config))
        assert account["from_cache"] == finished
        spent = account["tokens_in"] + 2 * account["tokens_out"]
        assert account["cost_millionths"] == spent > 0


def test_parts_make_what_one_job_makes(tmp_path):
    with openai_server.running() as server:
        (tmp_path / "one").mkdir()
        whole, _ = make(tmp_path / "one", settings(server.url))
        parts, accounts = make(tmp_path, settings(server.url), parts=2)
        assert [account["requested"] for account in accounts] == [6, 6]
        assert parts.table.equals(whole.table)


def test_a_server_of_its_own_is_stopped(tmp_path):
    script = Path(openai_server.__file__)
    command = f"{sys.executable} {script} {{port}}"
    server = {"command": command, "start_seconds": 60}
    with backend(None, server=server) as asking:
        url = asking._transport._url
        assert asking.answer(REQUEST).text == openai_server.caption(PROMPT, 103)
        port = int(re.search(r":(\d+)/", url)[1])
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_server_that_dies_shows_its_last_words():
    server = {"command": "sh -c 'echo no space left on device; exit 3' {port}", "start_seconds": 20}
    with (
        pytest.raises(BackendUnavailable, match=r"(?s)status 3.*no space left on device"),
        backend(None, server=server),
    ):
        pass
    with (
        pytest.raises(BackendUnavailable, match=r"'no-such-server' cannot be run"),
        backend(None, server={"command": "no-such-server {port}"}),
    ):
        pass


def test_without_the_client_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "openai", None)
    with (
        pytest.raises(InputError, match=r"pip install 'nicheclip\[openai\]'"),
        backend("http://localhost:1/v1"),
    ):
        pass
