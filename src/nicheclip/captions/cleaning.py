"""From a model's reply to the caption in it: echo, lead-in, quotes and mark-up removed."""

import re
from functools import lru_cache
from typing import NamedTuple

ECHO_WORDS = 4
"""Shared leading words from which on a reply counts as repeating its prompt."""

THINK_MARK = re.compile(r"<(/?)think>", re.IGNORECASE)
_BULLET = re.compile(r"^[ \t]*(?:[-*•][ \t]+|\d+[.)][ \t]+)", re.MULTILINE)
_BLOCK_MARKS = re.compile(r"^[ \t]*(?:#{1,6}[ \t]+|>[ \t]*|```\w*)", re.MULTILINE)
# of underscores only whole runs, none of them between letters: each is looked at once
_INLINE_MARKS = re.compile(r"\*+|`+|(?<!\w)(?:__++|_(?=\w))|(?<=[^\W_])_++(?!\w)")
_LEAD_IN = re.compile(
    r"(?:(?:sure|certainly|of course|absolutely|okay|ok)\b[\s,.!:;-]*)?"
    r"(?:here(?:['’]s| is| are)\b[^:.]{0,80}:"
    r"|(?:(?:the|image|photo|short)\s+)*"
    r"(?:caption|description|answer|response|output|text)\s*\d*\s*:)\s*"
    r"|(?:sure|certainly|of course|absolutely|okay|ok)\b[,.!:]+\s+",
    re.IGNORECASE,
)
_QUOTES = {'"': '"', "“": "”", "'": "'", "‘": "’", "«": "»", "„": "“"}
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
# what there is where a line but the first, or anything within a line, is marked
_MARK = re.compile(r"[*`_\n]")
_FIRST_OF_MARKED = "-•#>"
_BOUNDARY = re.compile(r"\s*[\"”'’)\]]*\s*(?:[.!?:…]+[\"”'’)\]]*\s*|$)")


class Cleaned(NamedTuple):
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
    """The caption in the reply ``raw`` to ``prompt``; removals are noted.

    The work grows with the length of the reply, however its wrappings are nested.
    """
    text = _without_thinking(raw) if "<" in raw else raw
    several = False
    if _may_be_marked(text):
        several = len(_BULLET.findall(text)) > 1
        text = _INLINE_MARKS.sub("", _BULLET.sub("", _BLOCK_MARKS.sub("", text)))
    text, asked = " ".join(text.split()), _words(prompt)
    if not _may_be_wrapped(text, asked):
        return Cleaned(text, (), several=several)
    rest = _Rest(text, asked)
    notes: dict[str, None] = {}
    quoted = echo = False
    changed = True
    while changed and not echo:
        unquoted = rest.unquote()
        led_in = rest.skip_lead_in()
        echo_stripped, echo = rest.skip_echo()
        quoted = quoted or unquoted
        if led_in:
            notes["lead_in_stripped"] = None
        if echo_stripped:
            notes["echo_stripped"] = None
        changed = unquoted or led_in or echo_stripped
    return Cleaned(rest.text, tuple(notes), echo=echo, quoted=quoted, several=several)


def _may_be_marked(text: str) -> bool:
    """Whether there may be a bullet, a mark of a block or one within a line: most texts have none,
    and are searched once instead of four times.
    """
    first = text.lstrip(" \t")[:1]
    return first in _FIRST_OF_MARKED or first.isdigit() or _MARK.search(text) is not None


def _may_be_wrapped(text: str, asked: tuple[str, ...]) -> bool:
    """Whether it may begin with a quotation mark, a lead-in or words of the prompt (``asked``)."""
    if text[:1] in _QUOTES or _LEAD_IN.match(text):
        return True
    first = _WORD.search(text)
    return first is not None and asked[:1] == (first[0].casefold(),)


def _without_thinking(text: str) -> str:
    """``text`` without what stands from `<think>` to `</think>`, or to the end where that is
    missing; without `<think>`, what stands before `</think>` is thinking as well.
    """
    kept: list[str] = []
    start, thinking = 0, False
    for mark in THINK_MARK.finditer(text):
        if not mark[1]:
            kept += [] if thinking else [text[start : mark.start()]]
            thinking = True
        elif thinking or not kept:
            start, thinking = mark.end(), False
    return "".join(kept if thinking else [*kept, text[start:]])


class _Rest:
    """What is left of a reply while wrappings are taken from its ends; nothing is copied."""

    def __init__(self, text: str, asked: tuple[str, ...]) -> None:
        """``asked``: the words of the prompt."""
        self._text = text
        self._start, self._end = 0, len(text)
        self._stop = ""
        """The full stop that stood behind a closing quotation mark."""
        self._asked = asked
        self._more = _WORD.finditer(text)
        self._words: list[re.Match[str]] = []
        """Those that were looked at so far."""
        self._first = 0
        """Of the words, the first that is left."""

    @property
    def text(self) -> str:
        """What is left."""
        return self._text[self._start : self._end] + self._stop

    def unquote(self) -> bool:
        """Remove a pair of quotation marks around all of it (a full stop may follow)."""
        text, start, end = self._text, self._start, self._end
        if end - start + len(self._stop) <= 2:
            return False
        opening = text[start]
        closing = _QUOTES.get(opening)
        stop = "" if self._stop or text[end - 1] != "." else "."
        last = end - 1 - len(stop)
        if text[last] != closing:
            return False
        if opening not in "'‘" and (
            text.find(opening, start + 1, last) >= 0 or text.find(closing, start + 1, last) >= 0
        ):
            return False
        self._start, self._end, self._stop = start + 1, last, self._stop or stop
        if text.startswith(" ", self._start, self._end):
            self._start += 1
        if text.endswith(" ", self._start, self._end):
            self._end -= 1
        return True

    def skip_lead_in(self) -> bool:
        """Remove "Sure, here is a caption:" and the like."""
        lead_in = _LEAD_IN.match(self._text, self._start, self._end)
        if lead_in:
            self._start = lead_in.end()
        return lead_in is not None

    def skip_echo(self) -> tuple[bool, bool]:
        """Remove the words of the prompt with which it begins.

        A short prompt ("Early fungal spore") that begins a sentence is not an echo.

        Returns:
            Whether anything was removed; and whether the prompt's words run on into the reply's own
            sentence, so that removing them would leave a fragment: then they stay.
        """
        shared, end = self._shared_words()
        whole = 0 < shared == len(self._asked)
        if shared < ECHO_WORDS and not whole:
            return False, False
        if boundary := _BOUNDARY.match(self._text, end, self._end):
            self._start = boundary.end()
            if self._start == self._end:
                self._stop = ""
            return True, False
        following = end + self._text.startswith(" ", end, self._end)
        if whole and shared >= ECHO_WORDS and self._text[following].isupper():
            self._start = following
            return True, False
        return False, shared >= ECHO_WORDS

    def _shared_words(self) -> tuple[int, int]:
        """Number of the prompt's first words with which it begins, and where the last one ends."""
        while (word := self._word(self._first)) and word.start() < self._start:
            self._first += 1
        shared, end = 0, self._start
        for place, wanted in enumerate(self._asked, self._first):
            word = self._word(place)
            if word is None or word[0].casefold() != wanted:
                break
            shared, end = shared + 1, word.end()
        return shared, end

    def _word(self, place: int) -> re.Match[str] | None:
        """Word number ``place``; None behind the last one."""
        while len(self._words) <= place and (word := next(self._more, None)):
            self._words.append(word)
        return self._words[place] if place < len(self._words) else None


@lru_cache(maxsize=1024)
def _words(prompt: str) -> tuple[str, ...]:
    return tuple(word.casefold() for word in _WORD.findall(prompt))
