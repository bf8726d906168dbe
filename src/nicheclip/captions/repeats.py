"""Texts that are there already: equal, equal as far as CLIP reads, or nearly equal."""

import math
from array import array
from dataclasses import dataclass
from typing import Any

import numpy as np

from nicheclip.captions.tokens import truncated
from nicheclip.captions.words import words_of
from nicheclip.config.captions import GateConfig
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.seeding import stable_hash

GRAM = 3

MANY = 20_000
"""Texts of one class from which on MinHash proposes the ones that may be near-duplicates; below it
every pair that shares a 3-gram is compared, which up to here is quicker."""

PERMUTATIONS = 128


def normalised(text: str) -> str:
    """``text`` without regard to letter case, space and punctuation."""
    return " ".join(words_of(text))


@dataclass(frozen=True, slots=True)
class TextKeys:
    """Two numbers by which a text is compared with others, without keeping it."""

    whole: int
    """Equal for texts that are equal once they are normalised."""
    read: int
    """Equal for texts of which CLIP reads the same."""


def text_keys(text: str, seed: int = 0) -> TextKeys:
    """The keys of ``text``; texts are shared out over splits in their order (``seed``: of it)."""
    whole, read_by_clip = normalised(text), truncated(text)
    key = stable_hash(seed, "split", whole)
    if read_by_clip == text:
        return TextKeys(key, key)
    return TextKeys(key, stable_hash(seed, "split", normalised(read_by_clip)))


class Repeats:
    """The texts of one class so far."""

    def __init__(self, config: GateConfig, expected: int = 0) -> None:
        """``expected``: how many texts there will be.

        Raises:
            InputError: there are many, and the library for them is not installed.
        """
        self._config = config
        self._near: _MinHash | _SharedGrams | None = None
        if 0 <= config.near_duplicate < 1:
            many = expected >= MANY and config.near_duplicate > 0
            self._near = (_MinHash if many else _SharedGrams)(config.near_duplicate)
        self._whole: set[int] = set()
        self._read: set[int] = set()
        """Of texts that CLIP does not read whole."""

    def add(self, text: str, keys: TextKeys | None = None) -> str | None:
        """Take ``text`` in (``keys``: its own), or give the reason why it is a repeat."""
        keys = keys or text_keys(text)
        if self._config.unique and keys.whole in self._whole:
            return "duplicate"
        if self._config.unique and (keys.read in self._read or keys.read in self._whole):
            return "duplicate_truncated: differs only beyond CLIP's context"
        if self._near:
            grams = _grams(normalised(text))
            similarity = self._near.most_similar(grams)
            if similarity >= self._config.near_duplicate:
                return f"near_duplicate: Jaccard {similarity:.2f}"
            self._near.add(grams)
        if self._config.unique:
            self._whole.add(keys.whole)
            if keys.read != keys.whole:
                self._read.add(keys.read)
        return None


class _SharedGrams:
    """Every earlier text that shares a gram with a new one is compared with it."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._sizes: array[int] = array("i")
        self._places: dict[tuple[str, ...], array[int]] = {}
        """The numbers of the texts that have a gram."""

    def most_similar(self, grams: set[tuple[str, ...]]) -> float:
        """Largest |A and B| / |A or B| with an earlier text; 0 where none reaches the threshold."""
        known = sorted((self._places.get(gram, ()) for gram in grams), key=len)
        # a text that is similar enough lacks few of the grams, so it has one of this many
        some = len(grams) - math.ceil(self._threshold * len(grams) - 1e-9) + 1
        if not any(known[:some]):
            return 0.0
        shared = np.bincount(np.concatenate([np.frombuffer(one, np.int32) for one in known if one]))
        sizes = np.frombuffer(self._sizes, np.int32)[: len(shared)]
        return float((shared / (sizes + len(grams) - shared)).max())

    def add(self, grams: set[tuple[str, ...]]) -> None:
        """Take in a text."""
        for gram in grams:
            self._places.setdefault(gram, array("i")).append(len(self._sizes))
        self._sizes.append(len(grams))


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
