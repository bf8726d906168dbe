"""Texts that are there already: equal, equal as far as CLIP reads, or nearly equal."""

import re
from collections import Counter
from typing import Any

from nicheclip.captions.tokens import truncated
from nicheclip.config.captions import GateConfig
from nicheclip.runtime.errors import InputError

_NO_WORD = re.compile(r"[\W_]+")
GRAM = 3

MANY = 2000
"""Texts of one class from which on MinHash proposes the ones that may be near-duplicates; below it
every pair that shares a 3-gram is compared."""

PERMUTATIONS = 128


def normalised(text: str) -> str:
    """``text`` without regard to letter case, space and punctuation."""
    return " ".join(_NO_WORD.sub(" ", text.casefold()).split())


def read_by_clip(text: str) -> str:
    """The part of ``text`` that fits into CLIP's context, normalised."""
    return normalised(truncated(text))


class Repeats:
    """The texts of one class so far."""

    def __init__(self, config: GateConfig, expected: int = 0) -> None:
        """``expected``: how many texts there will be.

        Raises:
            InputError: there are many, and the library for them is not installed.
        """
        self._config = config
        self._candidates = (
            _MinHash(config.near_duplicate)
            if expected >= MANY and 0 < config.near_duplicate < 1
            else None
        )
        self._whole: set[str] = set()
        self._read: set[str] = set()
        self._sizes: list[int] = []
        self._places: dict[tuple[str, ...], list[int]] = {}

    def add(self, text: str) -> str | None:
        """Take ``text`` in, or give the reason why it is a repeat."""
        whole, read = normalised(text), read_by_clip(text)
        if self._config.unique and whole in self._whole:
            return "duplicate"
        if self._config.unique and read in self._read:
            return "duplicate_truncated: differs only beyond CLIP's context"
        if self._config.near_duplicate < 1:
            grams = _grams(whole)
            similarity = self._most_similar(grams)
            if similarity >= self._config.near_duplicate:
                return f"near_duplicate: Jaccard {similarity:.2f}"
            if self._candidates:
                self._candidates.add(grams)
            else:
                for gram in grams:
                    self._places.setdefault(gram, []).append(len(self._sizes))
                self._sizes.append(len(grams))
        self._whole.add(whole)
        self._read.add(read)
        return None

    def _most_similar(self, grams: set[tuple[str, ...]]) -> float:
        """Largest |A and B| / |A or B| with an earlier text; only texts that share a gram count."""
        if self._candidates:
            return self._candidates.most_similar(grams)
        shared = Counter(place for gram in grams for place in self._places.get(gram, ()))
        return max(
            (n / (len(grams) + self._sizes[place] - n) for place, n in shared.items()), default=0.0
        )


class _MinHash:
    """Texts that are probably near ``threshold``; the similarity itself is exact."""

    def __init__(self, threshold: float) -> None:
        try:
            from datasketch import MinHash, MinHashLSH
        except ImportError:
            raise InputError(
                "gates.near_duplicate among this many captions needs the library datasketch: pip "
                "install 'nicheclip[gates]'"
            ) from None
        self._make = MinHash
        self._index = MinHashLSH(threshold=threshold, num_perm=PERMUTATIONS, weights=(0.1, 0.9))
        self._grams: list[set[tuple[str, ...]]] = []
        self._last: Any = None

    def most_similar(self, grams: set[tuple[str, ...]]) -> float:
        sketch = self._make(num_perm=PERMUTATIONS, seed=1)
        sketch.update_batch([" ".join(gram).encode() for gram in grams])
        self._last = sketch
        others = [self._grams[place] for place in self._index.query(sketch)]
        return max((len(grams & other) / len(grams | other) for other in others), default=0.0)

    def add(self, grams: set[tuple[str, ...]]) -> None:
        """Take in the text that was asked about last."""
        self._index.insert(len(self._grams), self._last)
        self._grams.append(grams)


def _grams(text: str) -> set[tuple[str, ...]]:
    words = text.split()
    return {tuple(words[i : i + GRAM]) for i in range(max(1, len(words) - GRAM + 1))}
