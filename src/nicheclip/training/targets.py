"""What a classifier is to answer for each class of a data set, head by head."""

import logging
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nicheclip.data.labels import Labels
from nicheclip.runtime.errors import InputError

log = logging.getLogger(__name__)

#: of a class that a head does not know: it has no name at the rank, or no training image
UNKNOWN = -1


@dataclass(frozen=True)
class Targets:
    """The right answer of each head for each class."""

    heads: tuple[str, ...]
    """Their names, the finest last."""
    answers: NDArray[np.int64]
    """[classes of the data set, heads]: a number below the head's size, or ``UNKNOWN``."""

    @property
    def sizes(self) -> list[int]:
        """How many answers each head has."""
        return [int(column.max()) + 1 for column in self.answers.T]


def make_targets(taxa: Mapping[str, Sequence[Hashable | None]], labels: Labels) -> Targets:
    """Number what the classes with training images are called.

    Args:
        taxa: for each head the name of each class; None where it has none.
        labels: of the training images.

    Raises:
        InputError: no head has two names to tell apart.
    """
    trained = set(np.unique(labels.numbers()).tolist())
    found = {}
    for head, names in taxa.items():
        counted = {name for number, name in enumerate(names) if number in trained} - {None}
        if len(counted) < 2:
            log.info("no head for %s: the training images have %d of them", head, len(counted))
            continue
        places = {name: place for place, name in enumerate(sorted(counted, key=str))}
        found[head] = [
            places.get(name, UNKNOWN) if number in trained else UNKNOWN
            for number, name in enumerate(names)
        ]
    if not found:
        raise InputError(
            f"{labels.file}: the training images have fewer than two classes at every rank that "
            "the recipe names; there is nothing to tell apart. Add classes, or choose other ranks."
        )
    return Targets(tuple(found), np.array(list(found.values()), np.int64).T)
