"""Classes in the order of their scores, without favour to the order of the columns."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nicheclip.seeding import generator

#: cosines nearer than this are equal: float32 products of equal vectors differ by about 1e-7
TIE = 1e-6


def rank(scores: npt.NDArray[Any], image_ids: Sequence[str], top: int) -> npt.NDArray[np.intp]:
    """Columns of the ``top`` highest scores of each row, best first [n, min(top, columns)].

    Scores within ``TIE`` of the next are equal. Equal ones stand in a random order that follows
    from the image id alone, so that a model which gives all classes the same score gets what
    guessing gets, whatever the order of the classes.

    Args:
        scores: [n, columns], cosines or other numbers of that size.
        image_ids: n ids.
        top: how many columns are wanted.
    """
    order = np.argsort(-scores, axis=1, kind="stable")
    values = np.take_along_axis(scores, order, axis=1)
    equal_to_next = values[:, :-1] - values[:, 1:] <= TIE
    for row in np.flatnonzero(equal_to_next[:, :top].any(axis=1)).tolist():
        group = np.concatenate([[0], np.cumsum(~equal_to_next[row])])
        shuffled = generator("equal scores", image_ids[row]).permutation(scores.shape[1])
        order[row] = order[row][np.lexsort((shuffled[order[row]], group))]
    return order[:, :top]
