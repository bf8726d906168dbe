"""Which classes a text names."""

import re
from collections.abc import Iterable
from functools import lru_cache

Phrase = tuple[str, ...]

_WORD = re.compile(r"[^\W_]+")
SHORTEST_NAME = 3
"""Characters; shorter names ("1", "A2") are not words that a caption could be searched for."""


def words(text: str) -> Phrase:
    """The words of ``text`` without regard to case, punctuation and a plural's -s."""
    return tuple(map(_singular, _WORD.findall(text.casefold())))


@lru_cache(maxsize=1 << 16)
def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


class ClassNames:
    """Finds class names in texts; the work grows with the text, not with the classes."""

    def __init__(self, names: dict[str, Iterable[str]]) -> None:
        """Index ``names``: what each class_id may be called."""
        self._owners: dict[Phrase, set[str]] = {}
        self._lengths: dict[str, set[int]] = {}
        for class_id, called in names.items():
            for name in called:
                phrase = words(name)
                if len(" ".join(phrase)) >= SHORTEST_NAME:
                    self._owners.setdefault(phrase, set()).add(class_id)
                    self._lengths.setdefault(phrase[0], set()).add(len(phrase))

    def mentioned(self, text: str) -> list[tuple[str, frozenset[str]]]:
        """The names in ``text`` and whose they are; of overlapping names the longest counts."""
        found: list[tuple[str, frozenset[str]]] = []
        if not self._owners or self._lengths.keys().isdisjoint(spoken := words(text)):
            return found
        end = 0
        for place, word in enumerate(spoken):
            if word not in self._lengths or place < end:
                continue
            for length in sorted(self._lengths[word], reverse=True):
                phrase = spoken[place : place + length]
                if owners := self._owners.get(phrase):
                    found.append((" ".join(phrase), frozenset(owners)))
                    end = place + length
                    break
        return found
