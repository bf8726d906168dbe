"""Images that belong together: versions of one photograph, or of one slide, animal or day."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from nicheclip.config.data import SplitConfig
from nicheclip.data.acquired_rows import AcquiredRows
from nicheclip.data.near_duplicates import Groups, HashedRows, near_groups


def near_duplicates(
    rows: AcquiredRows, kept: NDArray[np.bool_], bits: int | None, spool: Path
) -> Groups | None:
    """The kept rows of which there are versions, by photograph; None where ``bits`` is None."""
    if bits is None:
        return None

    def images() -> HashedRows:
        for where, frame in rows.batches(["phash"]):
            mine = np.flatnonzero(kept[where])
            yield where.start + mine, frame["phash"].to_numpy()[mine]

    return near_groups(images, len(rows), bits, spool)


def kept_together(
    rows: AcquiredRows,
    kept: NDArray[np.bool_],
    photographs: Groups | None,
    config: SplitConfig,
) -> Groups | None:
    """The groups of the kept rows; None where every image stands alone.

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


def _named_groups(rows: AcquiredRows, kept: NDArray[np.bool_], pattern: str | None) -> Groups:
    """By the source's column, or where it is silent by the key; without a name each by itself."""
    numbers: dict[str, int] = {}
    places, found = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    expression = re.compile(pattern) if pattern else None
    for where, frame in rows.batches(["group", "key"]):
        mine = frame.filter(pl.Series(kept[where]))
        names = [
            name or _group_in(key, expression)
            for name, key in zip(mine["group"], mine["key"], strict=True)
        ]
        named = np.array([bool(name) for name in names], bool)
        places.append(where.start + np.flatnonzero(kept[where])[named])
        found.append(np.array([numbers.setdefault(n, len(numbers)) for n in names if n], np.int64))
    return Groups(np.concatenate(places), np.concatenate(found), len(numbers))


def _group_in(key: str, expression: re.Pattern[str] | None) -> str | None:
    match = expression.search(key) if expression else None
    return (match[1] if match.re.groups else match[0]) if match else None


def _joined(relations: Sequence[Groups]) -> Groups:
    """Images that any relation puts together, directly or through others, are one group."""
    if len(relations) == 1:
        return relations[0]
    images = np.unique(np.concatenate([one.rows for one in relations]))
    ends, nodes, first = [], [], len(images)
    for one in relations:
        ends.append(np.searchsorted(images, one.rows))
        nodes.append(first + one.numbers)
        first += one.count
    edges = (np.concatenate(ends), np.concatenate(nodes))
    graph = coo_array((np.ones(len(edges[0]), bool), edges), shape=(first, first))
    count, numbers = connected_components(graph, directed=False)
    return Groups(images, numbers[: len(images)].astype(np.int64), int(count))
