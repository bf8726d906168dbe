"""Answers of ollama of other shapes than expected: named, or no caption."""

import pytest
from asked_ollama import REQUEST, backend

import ollama_server
from nicheclip.captions.backend import BackendUnavailable

HTML = b"<html><body>Please log in to the network.</body></html>"
SHAPES = [
    HTML,
    b"",
    b"[]",
    b"null",
    b"3",
    b'"x"',
    b"{}",
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"a": NaN}',
]


# an object without capabilities is an answer of /api/show
NO_ANSWERS = [
    *((path, answer) for path in ("/api/version", "/api/tags") for answer in SHAPES),
    *(("/api/show", answer) for answer in SHAPES if b"{" not in answer),
]


@pytest.mark.parametrize(("path", "answer"), NO_ANSWERS, ids=range(len(NO_ANSWERS)))
def test_an_answer_of_another_shape_is_named(path, answer):
    with (
        ollama_server.running(answers={path: answer}) as server,
        pytest.raises(BackendUnavailable, match=rf"the ollama server at {server.url} ") as caught,
        backend(server.url),
    ):
        pass
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/api/version", b'{"version": ["0"]}'),
        ("/api/tags", b'{"models": [null]}'),
        ("/api/tags", b'{"models": {"model": "x"}}'),
        ("/api/tags", b'{"models": [{"model": 3, "digest": []}]}'),
        ("/api/show", b'{"capabilities": 3}'),
    ],
)
def test_a_field_of_another_shape_is_named(path, answer):
    with (
        ollama_server.running(answers={path: answer}) as server,
        pytest.raises(BackendUnavailable, match=rf"the ollama server at {server.url} "),
        backend(server.url),
    ):
        pass


REPLIES = [
    *SHAPES,
    b'{"response": 5, "done": true}\n',
    b'{"response": {"error": "x"}, "done": true}\n',
    b'{"response": "A cow stands in the',  # cut
    b'{"error": "out of memory"}\n',
    b'{"error": {"message": "out of memory"}}\n',
    b'{"response": "A cow stands here.", "done": false}\n{"error": ["x"]}\n',
    b'{"response": "A cow stands here.", "done": "perhaps"}\n',
]


@pytest.mark.parametrize("answer", REPLIES, ids=range(len(REPLIES)))
def test_a_reply_of_another_shape_is_no_caption(answer):
    with (
        ollama_server.running(answers={"/api/generate": answer}) as server,
        backend(server.url, attempts=2) as ollama,
        pytest.raises(BackendUnavailable, match=r"the ollama server at .*; (2 tries|1 try)\."),
    ):
        ollama.answer(REQUEST)


def test_halves_of_characters_are_joined_or_replaced():
    answer = b"".join(
        b'{"response": "%b", "done": %b}\n' % part
        for part in [(rb"A cow \ud83d", b"false"), (rb"\udc2e, and \udc2e.", b"true")]
    )
    with (
        ollama_server.running(answers={"/api/generate": answer}) as server,
        backend(server.url) as ollama,
    ):
        assert ollama.answer(REQUEST).text == "A cow \N{COW FACE}, and \ufffd."


def test_thinking_is_told_from_the_reply():
    with (
        ollama_server.running(thinking="Hm, a spore?", reply=lambda *_: "") as server,
        backend(server.url, other_seeds=0) as ollama,
    ):
        reply = ollama.answer(REQUEST)
    assert (reply.text, reply.thought) == ("", 12)
