"""Repeats among the texts of a class: equal ones, and near duplicates."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nicheclip.captions.reasons import identifier
from nicheclip.captions.repeats import MANY, Repeats, normalised
from nicheclip.config.captions import GateConfig

GOOD = "Golden spores lie scattered over a plain white ground."


def test_repeats():
    repeats = Repeats(GateConfig())
    assert repeats.add(GOOD) is None
    assert repeats.add(f"  {GOOD.upper()[:-1]} ! ") == "duplicate"
    long = "cat " * 76
    assert repeats.add(long + "one") is None
    assert identifier(repeats.add(long + "two")) == "duplicate_truncated"
    assert Repeats(GateConfig(unique=False)).add(GOOD) is None


def test_near_duplicates_by_word_trigrams():
    repeats = Repeats(GateConfig(near_duplicate=0.5))
    assert repeats.add("a b c d e f") is None
    # trigrams of 'a b c d e f': 4; of 'a b c d e x': 4; shared 3, together 5: 0.6
    assert repeats.add("a b c d e x") == "near_duplicate: Jaccard 0.60"
    # shared 2 of 6: 0.33
    assert repeats.add("a b c d x y") is None


def words_from(letters):
    return st.lists(st.sampled_from(letters), min_size=1, max_size=9).map(" ".join)


@given(
    st.lists(words_from("ab") | words_from("abcdef"), max_size=12),
    st.sampled_from([0.2, 0.5, 0.6, 0.75, 0.8, 0.99]),
)
def test_near_duplicates_are_those_that_comparing_every_pair_finds(texts, threshold):
    repeats = Repeats(GateConfig(near_duplicate=threshold, unique=False))
    kept = []
    for text in texts:
        words = text.split()
        grams = {tuple(words[i : i + 3]) for i in range(max(1, len(words) - 2))}
        nearest = max((len(grams & other) / len(grams | other) for other in kept), default=0.0)
        if nearest >= threshold:
            assert repeats.add(text) == f"near_duplicate: Jaccard {nearest:.2f}"
        else:
            assert repeats.add(text) is None
            kept.append(grams)


def test_among_many_texts_minhash_finds_what_comparing_all_finds():
    pytest.importorskip("datasketch", reason="the extra `gates` is not installed")
    draw = random.Random(0)
    words = [f"w{number}" for number in range(400)]
    texts = [" ".join(draw.choices(words, k=20)) for _ in range(200)]
    # every second text again, one of its last words changed: Jaccard 17/19 or 15/21
    texts += [" ".join([*text.split()[:-2], "x", text.split()[-1]]) for text in texts[::2]]
    config = GateConfig(near_duplicate=0.6)
    exact, many = Repeats(config), Repeats(config, expected=MANY)
    verdicts = [exact.add(text) for text in texts]
    assert sum(verdict is not None for verdict in verdicts) == 100
    assert [many.add(text) for text in texts] == verdicts


@given(st.lists(st.sampled_from(["Big cow", "big  cow.", "calf", "CALF!", "bull"]), max_size=12))
def test_unique_keeps_one_of_each(texts):
    repeats = Repeats(GateConfig())
    kept = [normalised(text) for text in texts if repeats.add(text) is None]
    assert kept == list(dict.fromkeys(normalised(text) for text in texts))
