"""The ollama backend against a server that speaks the protocol and misbehaves to order."""

import base64
import json
import socket

import pytest
from asked_ollama import PROMPT, REQUEST, backend
from pydantic import ValidationError

import ollama_server
from nicheclip.captions.asking import SEED_STRIDE
from nicheclip.captions.backend import BackendUnavailable, Request
from nicheclip.captions.ollama import _url
from nicheclip.runtime.errors import InputError


def test_a_reply_and_its_provenance():
    with ollama_server.running() as server, backend(server.url) as ollama:
        reply = ollama.answer(REQUEST)
        assert reply.text == ollama_server.caption(PROMPT, 103)
        assert reply.done_reason == "stop"
        assert (reply.model, reply.digest, reply.server) == (
            f"ollama:{ollama_server.MODEL}",
            ollama_server.DIGEST,
            ollama_server.VERSION,
        )
        body = server.requests[0]
        # every option is sent, and under `options`, where the server looks for them
        assert body["options"] == {
            "temperature": 0.9,
            "top_p": 0.9,
            "top_k": 40,
            "num_predict": 120,
            "num_ctx": 4096,
            "seed": 103,
        }
        assert "seed" not in body
        assert "think" not in body
        assert reply.options == json.dumps(body["options"], sort_keys=True)
        assert ollama._transport.options(103) == body["options"]


def test_a_reply_by_chat():
    said = json.dumps({"captions": ["A round body.", "A pale body."]})
    with (
        ollama_server.running(
            reply=lambda *_: said, thinking="Hm.", capabilities=("vision",)
        ) as server,
        backend(server.url, vision=True, endpoint="chat") as ollama,
    ):
        reply = ollama.answer(Request("spore", "i1", 3, PROMPT, b"\xff\xd8jpeg", 100, variants=2))
        (body,) = server.requests
    assert (reply.text, reply.thought) == (said, 3)
    assert body["messages"] == [{"role": "user", "content": PROMPT, "images": ["/9hqcGVn"]}]
    assert body["format"]["required"] == ["captions"]
    # replies of the two endpoints are kept apart
    assert json.loads(reply.options) == {**body["options"], "chat": True}


def test_a_model_is_fetched_where_the_config_says_so():
    with ollama_server.running(models=(), library=(ollama_server.MODEL,)) as server:
        with (
            pytest.raises(BackendUnavailable, match=r"`ollama pull .*`, or set backend\.pull"),
            backend(server.url),
        ):
            pass
        with backend(server.url, pull=True) as ollama:
            assert ollama.answer(REQUEST).digest == ollama_server.DIGEST
    with (
        ollama_server.running(models=()) as server,
        pytest.raises(BackendUnavailable, match="pull model manifest: file does not exist"),
        backend(server.url, pull=True),
    ):
        pass


def test_a_thinking_model_is_told_not_to():
    with (
        ollama_server.running(capabilities=("completion", "thinking")) as server,
        backend(server.url) as ollama,
    ):
        ollama.answer(REQUEST)
        assert server.requests[0]["think"] is False


@pytest.mark.parametrize("fault", [500, 502, "drop", "cut", "error"])
def test_trouble_is_tried_again_with_another_seed(fault):
    with ollama_server.running(faults=[fault, fault]) as server, backend(server.url) as ollama:
        reply = ollama.answer(REQUEST)
        seed = 103 + 2 * SEED_STRIDE
        assert reply.text == ollama_server.caption(PROMPT, seed)
        assert json.loads(reply.options)["seed"] == seed
        assert [r["options"]["seed"] for r in server.requests] == [103, 103 + SEED_STRIDE, seed]


@pytest.mark.parametrize("fault", [429, 503])
def test_a_busy_server_is_asked_again_for_the_same(fault):
    """However often, as long as patience lasts: the reply is that of an unbroken run."""
    with (
        ollama_server.running(faults=[fault] * 3) as server,
        backend(server.url, attempts=1) as ollama,
    ):
        assert ollama.answer(REQUEST).text == ollama_server.caption(PROMPT, 103)
        assert [r["options"]["seed"] for r in server.requests] == [103] * 4
        assert ollama.counts["busy"] == 3


@pytest.mark.parametrize("fault", ["slow", "crawl", "drip"])
def test_a_slow_reply_is_given_up(fault):
    """Silence, words that keep coming, a line that never ends: all end at the time-out."""
    with (
        ollama_server.running(faults=[fault]) as server,
        backend(server.url, timeout_seconds=0.4, attempts=1) as ollama,
        pytest.raises(BackendUnavailable, match=r"did not finish within 0\.4 s"),
    ):
        ollama.answer(REQUEST)


def test_a_reply_without_an_end_is_given_up_before_it_fills_the_memory():
    with (
        ollama_server.running(faults=["flood"]) as server,
        backend(server.url, timeout_seconds=60, attempts=1) as ollama,
        pytest.raises(BackendUnavailable, match=r"an answer of more than 32 MiB"),
    ):
        ollama.answer(REQUEST)


def test_a_version_without_an_end_is_given_up():
    with (
        ollama_server.running(faults=["endless version"]) as server,
        pytest.raises(BackendUnavailable, match=r"the answer does not end"),
        backend(server.url, timeout_seconds=60),
    ):
        pass


def test_user_and_password_of_the_host_are_sent_with_every_question():
    with ollama_server.running() as server:
        host = server.url.replace("://", "://ada:p%40ss@")
        with backend(host) as ollama:
            ollama.answer(REQUEST)
        sent = "Basic " + base64.b64encode(b"ada:p@ss").decode()
        assert len(server.users) == 4  # version, models, abilities, reply
        assert set(server.users) == {sent}


def test_trouble_without_end_says_what_the_server_said():
    with (
        ollama_server.running(faults=[500] * 9) as server,
        backend(server.url, attempts=3) as ollama,
    ):
        with pytest.raises(BackendUnavailable, match=r"answers 500: trouble 500; 3 tries"):
            ollama.answer(REQUEST)
        assert len(server.requests) == 3


def test_a_refused_request_is_not_tried_again():
    with ollama_server.running(faults=[400]) as server, backend(server.url) as ollama:
        with pytest.raises(BackendUnavailable, match=r"answers 400: trouble 400; 1 try"):
            ollama.answer(REQUEST)
        assert len(server.requests) == 1


def test_an_absent_model_names_the_pull_command():
    with ollama_server.running(models=("mistral:7b",)) as server:
        match = r"no model 'llama3\.2:3b' \(it has: mistral:7b\)\. .*`ollama pull llama3\.2:3b`"
        with pytest.raises(BackendUnavailable, match=match), backend(server.url):
            pass


def test_a_model_that_vanishes_names_the_pull_command():
    with ollama_server.running(faults=[404]) as server, backend(server.url) as ollama:
        with pytest.raises(BackendUnavailable, match=r"`ollama pull llama3\.2:3b`"):
            ollama.answer(REQUEST)
        assert len(server.requests) == 1


def test_the_tag_latest_may_be_left_out():
    with (
        ollama_server.running(models=("llava:latest", "llava")) as server,
        backend(server.url, model="llava") as ollama,
    ):
        assert ollama._transport.identity.digest == ollama_server.DIGEST


def test_an_absent_server_is_named_with_the_way_out():
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(BackendUnavailable, match=rf"{url} .*`ollama serve`"), backend(url):
            pass


@pytest.mark.parametrize(
    "host",
    [
        "",
        "http://",
        "http:///x",
        "http://[::1",
        "http://localhost:99999",
        "http://localhost:port",
        "localhost:0",
        "ftp://localhost",
        "http://local host",
        "http://localhost\n",
        "http://local\0host",
    ],
)
def test_a_host_that_is_no_url_is_an_error_of_the_config(host):
    with pytest.raises(ValidationError, match=r"host\n.*expected the URL of a server, for example"):
        backend(host)


@pytest.mark.parametrize(
    "host", ["http://a..b", f"http://{'x' * 70}", "http://\ud800", "http://%zz"]
)
def test_a_host_that_no_one_can_have_is_named(host):
    with (
        pytest.raises(BackendUnavailable, match=r"correct backend\.host"),
        backend(host, attempts=1),
    ):
        pass


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("localhost", "http://localhost:11434"),
        ("localhost:80/", "http://localhost:80"),
        ("[::1]", "http://[::1]:11434"),
        ("https://example.org/ollama/", "https://example.org/ollama"),
    ],
)
def test_a_host_alone_has_ollamas_port(host, url):
    assert _url(host) == url


def test_images_need_a_model_that_sees():
    with ollama_server.running() as server:
        with (
            pytest.raises(InputError, match=r"cannot see images \(capabilities: completion\)"),
            backend(server.url, vision=True),
        ):
            pass
        server.capabilities = ("completion", "vision")
        with backend(server.url, vision=True) as ollama:
            ollama.answer(Request("spore", "i1", 0, PROMPT, b"\xff\xd8jpeg", 0))
        assert server.requests[0]["images"] == ["/9hqcGVn"]  # base64


def test_an_empty_prompt_is_refused():
    with ollama_server.running() as server, backend(server.url) as ollama:
        with pytest.raises(InputError, match="prompt for 'spore' is empty"):
            ollama.answer(Request("spore", None, 0, "  ", None, 0))
        assert server.requests == []


def test_cancelling_ends_the_tries():
    with (
        ollama_server.running(faults=[500] * 9) as server,
        backend(server.url, attempts=9) as ollama,
    ):
        ollama.cancel()
        with pytest.raises(BackendUnavailable):
            ollama.answer(REQUEST)
        assert len(server.requests) == 1
