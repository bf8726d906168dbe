"""Which classes a text names."""

from collections.abc import Iterable
from functools import lru_cache

from nicheclip.captions.words import words_of

Phrase = tuple[str, ...]

SHORTEST_NAME = 3
"""Characters; shorter names ("1", "A2") are not words that a caption could be searched for."""


def words(text: str) -> Phrase:
    """The words of ``text`` without regard to case, punctuation and a plural's -s."""
    return tuple(map(_singular, words_of(text)))


@lru_cache(maxsize=1 << 16)
def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


class ClassNames:
    """Finds class names in texts; the work grows with the text, not with the classes."""

    def __init__(self, names: dict[str, Iterable[str]]) -> None:
        """Index ``names``: what each class_id may be called."""
        self._owners: dict[Phrase, set[str]] = {}
        self._lengths: dict[str, set[int]] = {}
        self._first: set[str] = set()
        """Words as they stand in a text with which a name may begin."""
        for class_id, called in names.items():
            for name in called:
                phrase = words(name)
                if len(" ".join(phrase)) >= SHORTEST_NAME:
                    self._owners.setdefault(phrase, set()).add(class_id)
                    self._lengths.setdefault(phrase[0], set()).add(len(phrase))
                    self._first |= {phrase[0], f"{phrase[0]}s"}

    def mentioned(self, text: str) -> list[tuple[str, frozenset[str]]]:
        """The names in ``text`` and whose they are; of overlapping names the longest counts."""
        found: list[tuple[str, frozenset[str]]] = []
        if self._first.isdisjoint(words_of(text)):
            return found
        spoken, end = words(text), 0
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
