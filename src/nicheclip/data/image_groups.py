"""Images that belong together: versions of one photograph, or of one slide, animal or day."""

import re
from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from nicheclip.config.data import SplitConfig
from nicheclip.data.acquired_rows import AcquiredRows
from nicheclip.data.near_duplicates import near_groups


def near_duplicates(
    rows: AcquiredRows, kept: NDArray[np.bool_], bits: int | None
) -> NDArray[np.int64] | None:
    """The number of each kept row's photograph [kept]; None where ``bits`` is None."""
    if bits is None:
        return None
    phashes = [frame["phash"].to_numpy()[kept[where]] for where, frame in rows.batches(["phash"])]
    return near_groups(np.concatenate([np.zeros(0, np.uint64), *phashes]), bits)


def kept_together(
    rows: AcquiredRows,
    kept: NDArray[np.bool_],
    photographs: NDArray[np.int64] | None,
    config: SplitConfig,
) -> NDArray[np.int64] | None:
    """The number of each kept row's group [kept]; None where every image stands alone.

    Args:
        rows: of the data set.
        kept: which rows are.
        photographs: of ``near_duplicates``.
        config: says what is kept together.
    """
    relations = []
    if "near_duplicates" in config.keep_together and photographs is not None:
        relations.append(photographs)
    if "group" in config.keep_together:
        relations.append(_named_groups(rows, kept, config.group_pattern))
    return _joined(relations) if relations else None


def _named_groups(
    rows: AcquiredRows, kept: NDArray[np.bool_], pattern: str | None
) -> NDArray[np.int64]:
    """By the source's column, or where it is silent by the key; without a name each by itself."""
    numbers: dict[str, int] = {}
    found = [np.zeros(0, np.int64)]
    expression = re.compile(pattern) if pattern else None
    for where, frame in rows.batches(["group", "key"]):
        mine = frame.filter(pl.Series(kept[where]))
        names = [
            name or _group_in(key, expression)
            for name, key in zip(mine["group"], mine["key"], strict=True)
        ]
        found.append(
            np.array([numbers.setdefault(n, len(numbers)) if n else -1 for n in names], np.int64)
        )
    groups = np.concatenate(found)
    alone = groups < 0
    groups[alone] = len(numbers) + np.arange(alone.sum())
    return groups


def _group_in(key: str, expression: re.Pattern[str] | None) -> str | None:
    match = expression.search(key) if expression else None
    return (match[1] if match.re.groups else match[0]) if match else None


def _joined(relations: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Images that any relation puts together, directly or through others, share a number."""
    if len(relations) == 1:
        return relations[0]
    images = np.arange(len(relations[0]))
    nodes, first = [], len(images)
    for groups in relations:
        nodes.append(first + groups)
        first += int(groups.max(initial=-1)) + 1
    edges = (np.tile(images, len(relations)), np.concatenate(nodes))
    graph = coo_array((np.ones(len(edges[0]), bool), edges), shape=(first, first))
    found: NDArray[np.int64] = connected_components(graph, directed=False)[1].astype(np.int64)
    return found[: len(images)]
