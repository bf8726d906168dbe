"""CLIP's tokens: what a text costs of the model's context."""

import re
from functools import cache, lru_cache
from typing import Any

CONTEXT = 77
"""Tokens that CLIP reads, start and end marks included."""

MARKS = 2

LONGEST_PIECE = 100
"""Letters; the tokenizer's time grows with the square of a word's length."""

_LONG_WORD = re.compile(rf"(\w{{{LONGEST_PIECE}}})(?=\w)")

# what the tokenizer's cleaning leaves as it is, but for upper case and white space
_PLAIN = re.compile(r"[ !-%'-;=-~]*")
# how the tokenizer splits such a text
_PIECES = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[a-z]+|[0-9]|[^\sa-z0-9]+")


@lru_cache(maxsize=16)  # several gates ask for the same text
def count_tokens(text: str) -> int:
    """CLIP tokens of ``text``, start and end marks included.

    A word of more than ``LONGEST_PIECE`` letters is counted in pieces.
    """
    if _PLAIN.fullmatch(text):
        return sum(map(_tokens_of_word, text.lower().split())) + MARKS
    return len(_tokenizer().encode(_LONG_WORD.sub(r"\1 ", text))) + MARKS


def truncated(text: str) -> str:
    """What CLIP reads of ``text``: unchanged where it fits into the context."""
    if count_tokens(text) <= CONTEXT:
        return text
    tokens = _tokenizer().encode(text)
    return str(_tokenizer().decode(tokens[: CONTEXT - MARKS]))


@lru_cache(maxsize=1 << 16)
def _tokens_of_word(word: str) -> int:
    """Of what stands between spaces: no token reaches over one."""
    return sum(
        len(_tokenizer().encode(piece[start : start + LONGEST_PIECE]))
        for piece in _PIECES.findall(word)
        for start in range(0, len(piece), LONGEST_PIECE)
    )


@cache
def _tokenizer() -> Any:
    # open_clip takes seconds to import, which only a job that judges captions should wait for.
    from nicheclip.runtime.torchvision_ops import declare_missing_operators
    from nicheclip.runtime.without_compiler import without_compiler

    declare_missing_operators()
    with without_compiler():
        from open_clip.tokenizer import SimpleTokenizer

    return SimpleTokenizer()
