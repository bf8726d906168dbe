"""How texts of classes lie to each other: by their words, or by vectors that a model gives."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nicheclip.captions.mentions import words


@dataclass(frozen=True)
class TextSpace:
    """Figures of a set of texts; None where there are too few."""

    diversity: float | None
    """1 less the mean cosine of two texts of a class, mean over classes: 0 where all are equal."""
    separability: float | None
    """Share of texts that lie nearer to the other texts of their class than to those of any other
    class; texts of equal words count for all their classes."""


def text_space(texts: Sequence[str], classes: Sequence[str]) -> TextSpace:
    """The figures of ``texts`` by their words, the class of each given: no model is asked.

    A text is the set of its words, each weighted by how few texts have it (log of the inverse
    share), as a vector of length 1.
    """
    return space_of_vectors(_vectors(texts), classes) if texts else TextSpace(None, None)


def space_of_vectors(vectors: NDArray[np.float64], classes: Sequence[str]) -> TextSpace:
    """The figures of n texts.

    Args:
        vectors: of the texts [n, d], n above 0, rows of length 1.
        classes: of each text.
    """
    names, numbers = np.unique(np.asarray(classes, object).astype(str), return_inverse=True)
    counts = np.bincount(numbers)
    sums = np.zeros((len(names), vectors.shape[1]))
    np.add.at(sums, numbers, vectors)
    several = counts > 1
    # the sum of all pairs' cosines is the square of the sum of vectors less that of each
    squares = np.bincount(numbers, (vectors**2).sum(axis=1))
    pairs = np.maximum(counts * (counts - 1), 1)
    alike = ((sums**2).sum(axis=1) - squares) / pairs
    diversity = float(1 - alike[several].mean()) if several.any() else None
    if len(names) < 2 or not several.any():
        return TextSpace(diversity, None)
    nearness = vectors @ (sums / counts[:, None]).T
    rows = np.arange(len(vectors))
    others = (sums[numbers] - vectors) / np.maximum(counts[numbers] - 1, 1)[:, None]
    nearness[rows, numbers] = (vectors * others).sum(axis=1)
    best = nearness.max(axis=1)
    right = nearness[rows, numbers] >= best - 1e-9
    return TextSpace(diversity, float(right[several[numbers]].mean()))


def _vectors(texts: Sequence[str]) -> NDArray[np.float64]:
    spoken = [set(words(text)) for text in texts]
    having = Counter(word for own in spoken for word in own)
    place = {word: number for number, word in enumerate(having)}
    vectors = np.zeros((len(texts), max(1, len(place))))
    for row, own in enumerate(spoken):
        for word in own:
            vectors[row, place[word]] = math.log(1 + len(texts) / having[word])
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors /= np.where(lengths > 0, lengths, 1)
    return vectors
