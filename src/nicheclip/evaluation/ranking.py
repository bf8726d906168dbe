"""Classes in the order of their scores, without favour to the order of the columns."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nicheclip.runtime.seeding import generator

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
    if scores.shape[1] <= top + 1:
        return _rank_by_full_sort(scores, image_ids, top)
    # the best top + 1 settle a row, unless two of them are equal
    best = np.argpartition(-scores, top, axis=1)[:, : top + 1]
    values = np.take_along_axis(scores, best, axis=1)
    inner = np.argsort(-values, axis=1)
    order = np.take_along_axis(best, inner, axis=1)[:, :top]
    values = np.take_along_axis(values, inner, axis=1)
    settled = (values[:, :-1] - values[:, 1:] > TIE).all(axis=1)
    rows = np.flatnonzero(~settled).tolist()
    if rows:
        ids = [image_ids[row] for row in rows]
        order[rows] = _rank_by_full_sort(scores[rows], ids, top)
    return order


def _rank_by_full_sort(
    scores: npt.NDArray[Any], image_ids: Sequence[str], top: int
) -> npt.NDArray[np.intp]:
    order = np.argsort(-scores, axis=1, kind="stable")
    values = np.take_along_axis(scores, order, axis=1)
    equal_to_next = values[:, :-1] - values[:, 1:] <= TIE
    for row in np.flatnonzero(equal_to_next[:, :top].any(axis=1)).tolist():
        group = np.concatenate([[0], np.cumsum(~equal_to_next[row])])
        shuffled = generator("equal scores", image_ids[row]).permutation(scores.shape[1])
        order[row] = order[row][np.lexsort((shuffled[order[row]], group))]
    return order[:, :top]
