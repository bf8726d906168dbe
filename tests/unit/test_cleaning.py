"""Cleaning a reply: what is stripped, what is left alone, and how long it takes."""

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judged_texts import GOOD, reasons

from nicheclip.captions.cleaning import clean
from nicheclip.captions.tokens import count_tokens

# In the manner of the released FungalZSL captions: the prompt verbatim, then a continuation.
LONG_PROMPT = (
    "Describe the early stage of fungal growth, focusing on spore formation. Spores are small "
    "reproductive units that travel on the wind."
)


@pytest.mark.parametrize(
    ("prompt", "raw", "expected"),
    [
        (LONG_PROMPT, f"{LONG_PROMPT} {GOOD}", GOOD),
        (LONG_PROMPT, f"{LONG_PROMPT.upper()}\n\n{GOOD}", GOOD),
        (LONG_PROMPT, f'"{LONG_PROMPT}" {GOOD}', GOOD),
        # its first sentence alone
        (LONG_PROMPT, f"{LONG_PROMPT.split('. ')[0]}. {GOOD}", GOOD),
        # cut short by a full stop
        (LONG_PROMPT, f"Describe the early stage of fungal growth: {GOOD}", GOOD),
        ("Early fungal spore", f"Early fungal spore. {GOOD}", GOOD),
        # begins a sentence of its own: no echo
        (
            "Early fungal spore",
            "Early fungal spore is thin.",
            "Early fungal spore is thin.",
        ),
        # three shared words are chance
        ("Describe the early days", "Describe the early light.", "Describe the early light."),
    ],
)
def test_prompt_echo_is_stripped(prompt, raw, expected):
    assert clean(raw, prompt).text == expected


def test_a_reply_that_is_all_echo_is_empty():
    assert reasons(LONG_PROMPT, prompt=LONG_PROMPT) == ["empty"]


def test_an_echo_that_runs_into_the_reply_is_rejected():
    raw = "Describe the early stage of fungal growth with its golden discs on white ground."
    assert reasons(raw, prompt=LONG_PROMPT) == ["prompt_echo"]


@pytest.mark.parametrize(
    "raw",
    [
        f'"{GOOD}"',
        f"“{GOOD}”",
        f"'{GOOD}'",
        f'"{GOOD[:-1]}".',
        f"**{GOOD}**",
        f"Here is a caption: {GOOD}",
        f'Here\'s a caption for the image:\n\n"{GOOD}"',
        f"Sure! Here is one sentence: {GOOD}",
        f"Sure, here's a description: *{GOOD}*",
        f"Certainly! {GOOD}",
        f"**Caption:** {GOOD}",
        f"### Description: {GOOD}",
        f"1. {GOOD}",
        f"- {GOOD}",
        f"<think>The user wants a caption. Is it a fungus?</think>\n{GOOD}",
        "  Golden   spores lie\n scattered over a plain\twhite ground.  ",
    ],
)
def test_wrapping_is_removed(raw):
    assert clean(raw, "").text == GOOD


@pytest.mark.parametrize(
    "text",
    [
        "The cow's head isn't turned to the farmer's camera.",
        "Sure-footed goats stand on a rock.",
        "A fish of the genus Salmo_trutta swims.",
        '"Jersey" and "Holstein"',
        "Here stands a cow in the snow.",
    ],
)
def test_plain_text_is_left_alone(text):
    assert clean(text, "Describe a cow.").text == text


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (f"<think>One.</think>{GOOD}<think>Two.</think>", GOOD),
        (f"<THINK>One <think> two.</Think>\n{GOOD}", GOOD),
        # cut short in its thoughts
        ("<think>The user wants a caption of a spore. A good one", ""),
        (f"{GOOD} <think>Is that", GOOD),
        # the prompt's template has the first mark
        (f"The user wants a caption.\n</think>\n\n{GOOD}", GOOD),
    ],
)
def test_thoughts_are_no_caption(raw, expected):
    assert clean(raw, "").text == expected


DEEP = {
    "quotation marks": "'" * 45_000 + "A cow" + "'" * 45_000 + ".",
    "two kinds of quotation marks": "'\"" * 22_500 + "A cow" + "\"'" * 22_500,
    "quotation marks before dots": "'" * 45_000 + "." * 45_000 + "cow" + "'" * 45_000,
    "thoughts without end": "<think>" * 13_000,
    "ends of thoughts": "</think>" * 11_000,
    "lead-ins": "Here is: " * 10_000 + "A cow.",
    "quoted lead-ins": "'Here is: " * 9_000 + "A cow" + "'" * 9_000,
    "courtesy": "Sure, " * 15_000 + "a cow.",
    "commas": "sure" + "," * 90_000,
    "echoes": "“cat. " * 15_000,
    "digits": "caption " + "1" * 90_000,
    "underscores": "a" + "_" * 90_000 + "b",
    "stars": "* " * 45_000,
}


@pytest.mark.parametrize("raw", DEEP.values(), ids=DEEP)
@pytest.mark.parametrize("prompt", ["cat", "Describe a cow that stands here."])
def test_the_time_of_cleaning_grows_with_the_length_alone(raw, prompt):
    clean("warm", prompt)

    def seconds():
        start = time.process_time()
        clean(raw, prompt)
        return time.process_time() - start

    assert min(seconds() for _ in range(3)) < 0.2  # the square of 90,000 steps takes minutes


def test_the_time_of_judging_grows_with_the_length_alone():
    """A word without end, as of an encoded file: the tokenizer alone would take minutes."""
    letters = random.Random(0).choices("abcdefghijklmnopqrstuvwxyz", k=90_000)
    count_tokens("warm")
    start = time.process_time()
    assert "too_many_tokens" in reasons("".join(letters))
    assert time.process_time() - start < 5


@given(st.text(max_size=60), st.text(max_size=30))
def test_cleaning_is_done_in_one_go(raw, prompt):
    once = clean(raw, prompt)
    if not once.echo:
        assert clean(once.text, prompt).text == once.text or once.several
