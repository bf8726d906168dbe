"""Texts that are there already: equal, equal as far as CLIP reads, or nearly equal."""

import re
from collections import Counter

from nicheclip.captions.tokens import truncated
from nicheclip.config.captions import GateConfig

_NO_WORD = re.compile(r"[\W_]+")
GRAM = 3


def normalised(text: str) -> str:
    """``text`` without regard to letter case, space and punctuation."""
    return " ".join(_NO_WORD.sub(" ", text.casefold()).split())


def read_by_clip(text: str) -> str:
    """The part of ``text`` that fits into CLIP's context, normalised."""
    return normalised(truncated(text))


class Repeats:
    """The texts of one class so far."""

    def __init__(self, config: GateConfig) -> None:
        self._config = config
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
            for gram in grams:
                self._places.setdefault(gram, []).append(len(self._sizes))
            self._sizes.append(len(grams))
        self._whole.add(whole)
        self._read.add(read)
        return None

    def _most_similar(self, grams: set[tuple[str, ...]]) -> float:
        """Largest |A and B| / |A or B| with an earlier text; only texts that share a gram count."""
        shared = Counter(place for gram in grams for place in self._places.get(gram, ()))
        return max(
            (n / (len(grams) + self._sizes[place] - n) for place, n in shared.items()), default=0.0
        )


def _grams(text: str) -> set[tuple[str, ...]]:
    words = text.split()
    return {tuple(words[i : i + GRAM]) for i in range(max(1, len(words) - GRAM + 1))}
