"""CLIP's tokens: what a text costs of the model's context."""

import re
from functools import cache
from typing import Any

CONTEXT = 77
"""Tokens that CLIP reads, start and end marks included."""

MARKS = 2

_LONG_WORD = re.compile(r"(\w{100})(?=\w)")


def count_tokens(text: str) -> int:
    """CLIP tokens of ``text``, start and end marks included.

    A word of more than 100 letters is counted in pieces, since the tokenizer's time grows with the
    square of a word's length.
    """
    return len(_tokenizer().encode(_LONG_WORD.sub(r"\1 ", text))) + MARKS


def truncated(text: str) -> str:
    """What CLIP reads of ``text``: unchanged where it fits into the context."""
    tokens = _tokenizer().encode(text)
    if len(tokens) + MARKS <= CONTEXT:
        return text
    return str(_tokenizer().decode(tokens[: CONTEXT - MARKS]))


@cache
def _tokenizer() -> Any:
    # open_clip takes seconds to import, which only a job that judges captions should wait for.
    from nicheclip.runtime.torchvision_ops import declare_missing_operators
    from nicheclip.runtime.without_compiler import without_compiler

    declare_missing_operators()
    with without_compiler():
        from open_clip.tokenizer import SimpleTokenizer

    return SimpleTokenizer()
