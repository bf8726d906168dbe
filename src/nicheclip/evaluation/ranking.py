"""Classes in the order of their scores, without favour to the order of the columns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nicheclip.runtime.seeding import generator

#: cosines nearer than this are equal: float32 products of equal vectors differ by about 1e-7
TIE = 1e-6

#: scores held at once where rows with equal scores are looked at again
SCORES_AT_ONCE = 16_000_000


def order_by_score(
    scores: npt.NDArray[Any], image_ids: Sequence[str], top: int
) -> npt.NDArray[np.intp]:
    """Columns of the ``top`` highest scores of each row, best first [n, min(top, columns)].

    Scores within ``TIE`` of the next are equal. Equal ones are in a random order that follows
    from the image id alone, so that a model which gives all classes the same score gets what
    guessing gets, whatever the order of the classes.

    Args:
        scores: [n, columns], cosines or other numbers of that size.
        image_ids: n ids.
        top: how many columns are wanted.
    """
    if scores.shape[1] <= top + 1:
        return _order_by_full_sort(scores, image_ids, top)
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
        order[rows] = _order_by_full_sort(scores[rows], ids, top)
    return order


def _order_by_full_sort(
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


@dataclass(frozen=True)
class Best:
    """The best columns of n rows."""

    order: npt.NDArray[np.intp]
    """[n, k], best first."""
    scores: npt.NDArray[Any]
    """[n, k], of ``order``."""


class BestInBlocks:
    """``order_by_score`` of scores that come in blocks of columns, and are not kept.

    Each row's best ``top + 1`` are kept. They settle the order of a row unless two of them are
    equal; such rows are asked for again as a whole, because any column may belong to the tie.
    """

    def __init__(self, rows: int, top: int) -> None:
        self._top = top
        self._columns = 0
        self._order = np.zeros((rows, 0), np.intp)
        self._scores: npt.NDArray[Any] = np.zeros((rows, 0), np.float32)

    def add(self, block: npt.NDArray[Any]) -> None:
        """Take in the scores [n, b] of the next b columns."""
        kept = self._top + 1
        start, self._columns = self._columns, self._columns + block.shape[1]
        if self._order.shape[1] < kept:
            rows = np.arange(len(block))
        else:
            rows = np.flatnonzero(block.max(axis=1) > self._scores.min(axis=1))
            block = block[rows]
        if not rows.size:
            return
        best = _best_of(block, kept)
        scores = np.concatenate(
            [self._scores[rows], np.take_along_axis(block, best, axis=1)], axis=1
        )
        order = np.concatenate([self._order[rows], best + start], axis=1)
        best = _best_of(scores, kept)
        scores = np.take_along_axis(scores, best, axis=1)
        order = np.take_along_axis(order, best, axis=1)
        if len(rows) == len(self._order):
            self._scores, self._order = scores, order
        else:
            self._scores[rows], self._order[rows] = scores, order

    def settle(
        self,
        image_ids: Sequence[str],
        scores_of: Callable[[npt.NDArray[np.intp]], npt.NDArray[Any]],
    ) -> Best:
        """The best ``top`` columns of each row.

        Args:
            image_ids: of the n rows.
            scores_of: the scores of some rows, by their numbers, in all columns.
        """
        inner = np.argsort(-self._scores, axis=1)
        scores = np.take_along_axis(self._scores, inner, axis=1)
        order = np.take_along_axis(self._order, inner, axis=1)
        unsettled = np.flatnonzero((scores[:, :-1] - scores[:, 1:] <= TIE).any(axis=1))
        order, scores = order[:, : self._top], scores[:, : self._top]
        at_once = max(1, SCORES_AT_ONCE // max(1, self._columns))
        for start in range(0, len(unsettled), at_once):
            rows = unsettled[start : start + at_once]
            whole = scores_of(rows)
            order[rows] = _order_by_full_sort(whole, [image_ids[row] for row in rows], self._top)
            scores[rows] = np.take_along_axis(whole, order[rows], axis=1)
        return Best(order, scores)


def _best_of(scores: npt.NDArray[Any], count: int) -> npt.NDArray[np.intp]:
    columns = scores.shape[1]
    if columns <= count:
        return np.broadcast_to(np.arange(columns), scores.shape)
    return np.argpartition(scores, columns - count, axis=1)[:, columns - count :]
