"""The reply cache: what a key depends on, kills, locks, damage."""

import errno
import fcntl
import hashlib
import json
import os
import threading
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nicheclip.captions.backend import Identity, Reply, Request
from nicheclip.captions.cache import ReplyCache, cache_key
from nicheclip.runtime.errors import InputError

WHO = Identity("m", "digest", "0.1")
REQUEST = Request("cow", None, 0, "Describe a cow.", None, 0)


def reply(text):
    return Reply(text, "stop", "m", "digest", "0.1", "{}")


def named(name):
    """A key as the cache has them."""
    return hashlib.sha256(name.encode()).hexdigest()


def key(identity=WHO, request=REQUEST, version=1, options="{}"):
    return cache_key(identity, request, version=version, options=options)


def test_the_key_changes_with_all_that_matters():
    variants = [
        key(),
        key(identity=replace(WHO, digest="other")),
        key(version=2),
        key(options='{"seed": 1}'),
        key(request=replace(REQUEST, prompt="Describe a calf.")),
        key(request=replace(REQUEST, image=b"jpg")),
        key(request=replace(REQUEST, image=b"gif")),
        key(request=replace(REQUEST, sample=1)),
        key(request=replace(REQUEST, variants=2)),
    ]
    assert len(set(variants)) == len(variants)
    # the name under which a model was pulled is no content, and neither is the server's version
    assert key(identity=replace(WHO, server="0.2")) == key()
    assert key(identity=replace(WHO, model="alias")) == key()


def test_a_slow_disk_holds_up_nobody_else(tmp_path, monkeypatch):
    """While one reply waits for its sync, others are written and found."""
    syncing, goes_on = threading.Event(), threading.Event()

    def slow(number):
        syncing.set()
        assert goes_on.wait(20)

    with ReplyCache(tmp_path / "cache.jsonl") as cache:
        monkeypatch.setattr(os, "fsync", slow)
        first = threading.Thread(target=cache.put, args=(named("a"), reply("A cow.")))
        first.start()
        assert syncing.wait(20)
        cache.put(named("b"), reply("An ox."))
        assert cache.get(named("b")) == reply("An ox.")
        assert first.is_alive()
        goes_on.set()
        first.join()


def test_replies_outlive_the_process(tmp_path):
    path = tmp_path / "sub" / "cache.jsonl"
    with ReplyCache(path) as cache:
        cache.put(named("a"), reply("Ein Ochse,\nzweizeilig\u2028."))
        assert cache.get(named("a")) == reply("Ein Ochse,\nzweizeilig\u2028.")
        assert cache.get(named("b")) is None
    with ReplyCache(path) as cache:
        assert cache.get(named("a")) == reply("Ein Ochse,\nzweizeilig\u2028.")


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_a_cut_anywhere_loses_only_the_last_line(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("cache") / "c.jsonl"
    with ReplyCache(path) as cache:
        for name in "abc":
            cache.put(named(name), reply(f"text {name}"))
    content = path.read_bytes()
    lines = content.splitlines(keepends=True)
    cut = data.draw(st.integers(0, len(content)))
    path.write_bytes(content[:cut])
    whole = sum(cut >= sum(map(len, lines[: i + 1])) for i in range(3))
    with ReplyCache(path) as cache:
        assert len(cache) == whole
        cache.put(named("d"), reply("text d"))
    with ReplyCache(path) as cache:
        assert len(cache) == whole + 1
    assert [json.loads(line)["key"] for line in path.read_text().splitlines()] == [
        *map(named, "abc"[:whole]),
        named("d"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        b"\0\0\0",
        b"\xff",
        b"[" * 100_000,
        b"1" * 5000,
        b'{"key": "b"}',
        b'{"key": ["b"], "text": "x"}',
        b'{"key": "%s", "text": 3, "done_reason": "stop", "model": "m", "digest": "d",'
        b' "server": "", "options": "{}"}' % named("b").encode(),
        b'{"key": "%s", "text"' % named("b").encode(),
    ],
    ids=range(8),
)
def test_damage_in_the_middle_names_the_line(tmp_path, line):
    path = tmp_path / "c.jsonl"
    with ReplyCache(path) as cache:
        cache.put(named("a"), reply("x"))
    path.write_bytes(line + b"\n" + path.read_bytes())
    match = r"c\.jsonl, line 1: not a cached reply"
    with pytest.raises(InputError, match=match), ReplyCache(path) as cache:
        assert cache.get(named("a")) == reply("x")
        cache.get(named("b"))


def test_replies_of_before_thoughts_were_counted_are_read(tmp_path):
    path = tmp_path / "c.jsonl"
    path.write_text(
        f'{{"key": "{named("a")}", "text": "x", "done_reason": "stop", "model": "m",'
        ' "digest": "digest", "server": "0.1", "options": "{}"}\n'
    )
    with ReplyCache(path) as cache:
        assert cache.get(named("a")) == reply("x")


def test_a_folder_in_the_place_of_the_cache_is_named(tmp_path):
    (tmp_path / "c.jsonl").mkdir()
    match = r"c\.jsonl: cannot be opened \(Is a directory\).*what stands in the way"
    with pytest.raises(InputError, match=match), ReplyCache(tmp_path / "c.jsonl"):
        pass


def test_two_writers_are_refused(tmp_path):
    path = tmp_path / "c.jsonl"
    with ReplyCache(path) as cache:
        with pytest.raises(InputError, match="another process is writing"), ReplyCache(path):
            pass
        cache.put(named("a"), reply("x"))
    with ReplyCache(path) as cache:
        assert len(cache) == 1


def test_a_file_system_without_locks_gets_a_warning(tmp_path, monkeypatch, caplog):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with ReplyCache(tmp_path / "c.jsonl") as cache:
        cache.put(named("a"), reply("x"))
    assert "no locks" in caplog.text
