"""The seven ranks of every row of a checklist that says only each row's parent."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nicheclip.config.base import RANKS

Rows = NDArray[np.int64]


def ancestors(source_id: pl.Series, parent_id: pl.Series, rank: pl.Series) -> tuple[Rows, Rows]:
    """For each row the rows of its nearest ancestors at the seven ranks, itself among them.

    The pointers double in length in each round, so the time is n log(depth). Names at a rank below
    the row's own are not taken.

    Args:
        source_id: unique.
        parent_id: null at a root.
        rank: lower-case words.

    Returns:
        Row numbers, shape (rows, 7), -1 where there is none; and the rows in or below a cycle.
    """
    parents = parent_rows(source_id, parent_id)
    levels = _levels(rank)
    count = len(levels)
    nearest = np.full((count + 1, len(RANKS)), -1, dtype=np.int64)
    known = np.flatnonzero(levels >= 0)
    nearest[known, levels[known]] = known
    jump = np.append(np.where(parents < 0, count, parents), count)  # row `count` is above all
    for _ in range(max(count, 2).bit_length() + 1):
        if (jump[:count] == count).all():
            break
        above = nearest[jump]
        nearest = np.where(nearest >= 0, nearest, above)
        jump = jump[jump]
    cyclic = np.flatnonzero(jump[:count] != count)
    finer = np.arange(len(RANKS)) > np.where(levels < 0, len(RANKS), levels)[:, None]
    return np.where(finer, -1, nearest[:count]), cyclic


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
