"""CLIP's tokens: what a text costs of the model's context."""

from functools import cache
from typing import Any

CONTEXT = 77
"""Tokens that CLIP reads, start and end marks included."""

MARKS = 2


def count_tokens(text: str) -> int:
    """CLIP tokens of ``text``, start and end marks included."""
    return len(_tokenizer().encode(text)) + MARKS


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

    declare_missing_operators()
    from open_clip.tokenizer import SimpleTokenizer

    return SimpleTokenizer()
