"""The seven ranks of every row of a checklist that says only each row's parent."""

from collections import deque
from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nicheclip.terms import RANKS

Rows = NDArray[np.int64]


def ancestors(parents: Rows, rank: pl.Series) -> tuple[Rows, Rows]:
    """For each row the rows of its nearest ancestors at the seven ranks, itself among them.

    The pointers double in length in each round, so the time is n log(depth). Names at a rank below
    the row's own are not taken.

    Args:
        parents: as ``parent_rows`` gives them.
        rank: lower-case words.

    Returns:
        Row numbers, shape (rows, 7), -1 where there is none; and the rows in or below a cycle.
    """
    levels = _levels(rank)
    count = len(levels)
    nearest = np.full((count + 1, len(RANKS)), -1, dtype=np.int64)
    known = np.flatnonzero(levels >= 0)
    nearest[known, levels[known]] = known
    jump = np.empty(0, dtype=np.int64)
    for jump in _pointers(parents):
        nearest = np.where(nearest >= 0, nearest, nearest[jump])
    finer = np.arange(len(RANKS)) > np.where(levels < 0, len(RANKS), levels)[:, None]
    return np.where(finer, -1, nearest[:count]), _endless(jump)


def cyclic_rows(parents: Rows) -> Rows:
    """The rows in or below a cycle of parents."""
    (last,) = deque(_pointers(parents), maxlen=1)
    return _endless(last)


def first_parents(parents: Rows, kept: int) -> Rows:
    """The parents of the first ``kept`` rows, over the rows after them, which are left out.

    -1 where there is none; a parent that is not there at all (-2) stays so.
    """
    over = np.where(np.arange(len(parents)) < kept, np.arange(len(parents)), parents)
    for _ in range(len(parents).bit_length() + 1):
        if (over < kept).all():
            break
        over = np.where(over >= kept, over[np.maximum(over, 0)], over)
    over = np.where(over >= kept, -1, np.maximum(over, -1))  # a cycle has no end
    own = parents[:kept]
    return np.where(own >= 0, over[np.maximum(own, 0)], own)


def parent_rows(source_id: pl.Series, parent_id: pl.Series) -> Rows:
    """The row number of each row's parent; -1 for a root, -2 for a parent that is not there."""
    numbered = pl.DataFrame({"parent": source_id, "row": np.arange(len(source_id))})
    found = (
        parent_id.alias("parent")
        .to_frame()
        .join(numbered, on="parent", how="left", maintain_order="left")
    )
    root = pl.when(pl.col("parent").is_null()).then(-1).otherwise(-2)
    return found.select(pl.col("row").fill_null(root))["row"].to_numpy().astype(np.int64)


def _levels(rank: pl.Series) -> Rows:
    order = {name: level for level, name in enumerate(RANKS)}
    codes = rank.replace_strict(order, default=-1, return_dtype=pl.Int64)
    return codes.to_numpy().astype(np.int64)


def _pointers(parents: Rows) -> Iterator[Rows]:
    """Pointers to the ancestor 1, 2, 4 .. steps above; the last row stands above all roots."""
    count = len(parents)
    jump = np.append(np.where(parents < 0, count, parents), count)
    yield jump
    for _ in range(max(count, 2).bit_length() + 1):
        if (jump == count).all():
            break
        jump = jump[jump]
        yield jump


def _endless(jump: Rows) -> Rows:
    return np.flatnonzero(jump[:-1] != len(jump) - 1)
