"""Batches of a task whose images do not come all at once, drawn with the labels.

A camera trap or one day in one field shows a few of the classes that there might be. Which these
are, no method is told; it gets each batch as a task of its own, with all classes.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nicheclip.config.tasks import BatchesConfig, FewClasses
from nicheclip.runtime.seeding import generator

Rows = NDArray[np.int64]


def draw_batches(labels: Sequence[int] | NDArray[np.int32], config: BatchesConfig) -> list[Rows]:
    """The rows of each batch, rising, among the images with ``labels`` [n], n > 0."""
    known = np.asarray(labels)
    random = generator("batches of a task", config.seed)
    if isinstance(config, FewClasses):
        return [_some_classes(known, config, random) for _ in range(config.count)]
    return _stream(known, config.images, config.concentration, random)


def _some_classes(
    labels: NDArray[np.int32], config: FewClasses, random: np.random.Generator
) -> Rows:
    """So many images of a few classes, whose number is drawn first; all numbers are as likely."""
    present = np.unique(labels)
    low, high = (min(number, len(present)) for number in config.classes)
    count = int(random.integers(low, high + 1))
    chosen = random.choice(present, count, replace=False)
    pool = np.flatnonzero(np.isin(labels, chosen))
    return np.sort(random.choice(pool, min(config.images, len(pool)), replace=False))


def _stream(
    labels: NDArray[np.int32], images: int, concentration: float, random: np.random.Generator
) -> list[Rows]:
    """All images once, in an order in which those of a class come together.

    Each class is cut over as many slots as there are batches, in shares of a Dirichlet
    distribution; slot after slot, shuffled, is the stream, which is cut into equal batches.
    """
    batches = max(1, len(labels) // images)
    slots: list[list[int]] = [[] for _ in range(batches)]
    for label in np.unique(labels):
        own = random.permutation(np.flatnonzero(labels == label))
        shares = random.dirichlet(np.full(batches, concentration))
        ends = np.rint(np.cumsum(shares)[:-1] * len(own)).astype(int)
        for slot, part in zip(slots, np.split(own, ends), strict=True):
            slot += part.tolist()
    order = np.concatenate([random.permutation(np.array(slot, dtype=np.int64)) for slot in slots])
    return [np.sort(part) for part in np.array_split(order, batches)]
