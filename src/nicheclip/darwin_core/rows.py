"""The text of a Darwin Core archive's tables, cut into whole rows."""

from collections.abc import Iterator

import numpy as np


def whole_rows(texts: Iterator[bytes], quote: str) -> Iterator[bytes]:
    """``texts`` cut anew, after line feeds that no quotation marks stand round.

    Args:
        texts: pieces of a table.
        quote: as in ``Form``.
    """
    held: list[bytes] = []
    inside = False
    for text in texts:
        end, inside = _end_of_rows(text, quote, inside)
        if end:
            yield b"".join([*held, text[:end]])
            held = []
        held.append(text[end:])
    if rest := b"".join(held):
        yield rest


def _end_of_rows(text: bytes, quote: str, inside: bool) -> tuple[int, bool]:
    """Where the last whole row of ``text`` ends, 0 if none does; whether a field is open after it.

    ``inside``: whether a field is open before it.
    """
    if not quote:
        return text.rfind(b"\n") + 1, False
    characters = np.frombuffer(text, dtype=np.uint8)
    open_field = (np.cumsum(characters == ord(quote)) + inside) % 2 == 1
    ends = np.flatnonzero((characters == ord("\n")) & ~open_field)
    return (int(ends[-1]) + 1 if len(ends) else 0), bool(open_field[-1])
