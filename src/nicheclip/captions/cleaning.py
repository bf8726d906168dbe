"""From a model's reply to the caption in it: echo, lead-in, quotes and mark-up removed."""

import re
from dataclasses import dataclass

ECHO_WORDS = 4
"""Shared leading words from which on a reply counts as repeating its prompt."""

_THINKING = re.compile(r"<think>.*?</think>", re.DOTALL | re.IGNORECASE)
_BULLET = re.compile(r"^[ \t]*(?:[-*•][ \t]+|\d+[.)][ \t]+)", re.MULTILINE)
_BLOCK_MARKS = re.compile(r"^[ \t]*(?:#{1,6}[ \t]+|>[ \t]*|```\w*)", re.MULTILINE)
_INLINE_MARKS = re.compile(r"\*+|`+|(?<!\w)_+(?=\w)|(?<=\w)_+(?!\w)")
_LEAD_IN = re.compile(
    r"^(?:(?:sure|certainly|of course|absolutely|okay|ok)\b[\s,.!:;-]*)?"
    r"(?:here(?:['’]s| is| are)\b[^:.]{0,80}:"
    r"|(?:(?:the|image|photo|short)\s+)*"
    r"(?:caption|description|answer|response|output|text)\s*\d*\s*:)\s*"
    r"|^(?:sure|certainly|of course|absolutely|okay|ok)\b[,.!:]+\s+",
    re.IGNORECASE,
)
_QUOTES = {'"': '"', "“": "”", "'": "'", "‘": "’", "«": "»", "„": "“"}
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_BOUNDARY = re.compile(r"\s*[\"”'’)\]]*\s*(?:[.!?:…]+[\"”'’)\]]*\s*|$)")


@dataclass(frozen=True)
class Cleaned:
    """What cleaning left."""

    text: str
    notes: tuple[str, ...]
    """What was removed."""
    echo: bool = False
    """The reply continues the prompt's sentence: without the echo only a fragment is left."""
    quoted: bool = False
    """Quotation marks stood around the whole text."""
    several: bool = False
    """The reply is a list of captions."""


def clean(raw: str, prompt: str) -> Cleaned:
    """The caption in the reply ``raw`` to ``prompt``; removals are noted."""
    text = _THINKING.sub("", raw)
    several = len(_BULLET.findall(text)) > 1
    text = _INLINE_MARKS.sub("", _BULLET.sub("", _BLOCK_MARKS.sub("", text)))
    text = " ".join(text.split())
    notes: dict[str, None] = {}
    quoted = False
    while True:
        before = text
        if (unquoted := _without_quotes(text)) != text:
            text, quoted = unquoted, True
        if lead_in := _LEAD_IN.match(text):
            text = text[lead_in.end() :]
            notes["lead_in_stripped"] = None
        rest = _after_echo(text, prompt)
        if rest is None:
            return Cleaned(text, tuple(notes), echo=True, quoted=quoted, several=several)
        if rest != text:
            text = rest
            notes["echo_stripped"] = None
        if text == before:
            return Cleaned(text, tuple(notes), quoted=quoted, several=several)


def _without_quotes(text: str) -> str:
    """``text`` without a pair of quotation marks around all of it (a full stop may follow)."""
    stop = "." if text.endswith(".") and len(text) > 2 else ""
    for opening, closing in _QUOTES.items():
        for end in {"", stop}:
            inner = text[1 : len(text) - len(closing + end)]
            if text.startswith(opening) and text.endswith(closing + end) and len(text) > 2:
                apostrophe = opening in "'‘"
                if apostrophe or not (opening in inner or closing in inner):
                    return inner.strip() + end
    return text


def _after_echo(text: str, prompt: str) -> str | None:
    """What follows the words of ``prompt`` with which ``text`` begins.

    All of ``text`` where it does not begin so; None where the prompt's words run on into the
    reply's own sentence, so that cutting them off would leave a fragment. A short prompt ("Early
    fungal spore") that begins a sentence is not an echo.
    """
    asked = [word.casefold() for word in _WORD.findall(prompt)]
    words = list(_WORD.finditer(text))
    shared = 0
    for word, wanted in zip(words, asked, strict=False):
        if word[0].casefold() != wanted:
            break
        shared += 1
    whole = 0 < shared == len(asked)
    if shared < ECHO_WORDS and not whole:
        return text
    end = words[shared - 1].end()
    boundary = _BOUNDARY.match(text, end)
    if boundary:
        return text[boundary.end() :]
    if whole and shared >= ECHO_WORDS and text[end:].lstrip()[:1].isupper():
        return text[end:].lstrip()
    return text if shared < ECHO_WORDS else None
