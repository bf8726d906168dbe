"""Probabilities of taxa of each rank: sums over their classes, and the deepest that is sure."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import sparse

from nicheclip.runtime.errors import InputError
from nicheclip.terms import RANKS

Probabilities = npt.NDArray[np.float64]

#: what a class is called among the levels of answers
CLASS = "name"


@dataclass(frozen=True)
class Level:
    """The C classes in groups: the taxa of a rank, or each class by itself."""

    rank: str
    """A rank, or ``CLASS``."""
    names: list[str]
    """G names."""
    named: npt.NDArray[np.bool_]
    """[G]: of the rank; the others are classes of which it is not known."""
    members: sparse.csr_array
    """[C, G]: 1 where a class is in a group."""

    def sums(self, probabilities: Probabilities) -> Probabilities:
        """[n, G] from [n, C]."""
        if self.rank == CLASS:
            return probabilities
        summed: Probabilities = probabilities @ self.members
        return summed


def levels(classes: pl.DataFrame) -> list[Level]:
    """From the classes themselves up to the highest rank that any of them has.

    Two taxa of one name are one group just if all ranks above are the same.

    Args:
        classes: schema ``CLASSES``.
    """
    names = classes["name"].to_list()
    ids = [f"\0{class_id}" for class_id in classes["class_id"]]
    own = Level(CLASS, names, np.ones(len(names), bool), sparse.eye_array(len(names)).tocsr())
    found = [own]
    for place in reversed(range(len(RANKS))):
        rank = RANKS[place]
        column = classes[rank].to_list()
        if not any(column):
            continue
        above = classes.select(RANKS[: place + 1]).rows()
        keys = [
            "\1".join(map(str, lineage)) if name else own_id
            for lineage, name, own_id in zip(above, column, ids, strict=True)
        ]
        shown = [
            _shown(rank, row) if row[rank] else row["name"] for row in classes.iter_rows(named=True)
        ]
        found.append(_level(rank, keys, shown, column))
    return found


def level_of(rank: str, among: list[Level]) -> Level:
    """The level of ``rank``.

    Raises:
        InputError: no class has it.
    """
    for level in among:
        if level.rank == rank:
            return level
    known = [level.rank for level in among if level.rank != CLASS]
    raise InputError(
        f"--rank {rank}: the classes have no {rank}; they have {', '.join(known) or 'no ranks'}. "
        "Give them ranks in a table: --taxonomy FILE."
    )


def deepest(
    probabilities: Probabilities, among: list[Level], confidence: float
) -> list[tuple[str, str, float] | None]:
    """For each row [n, C] the name, rank and probability of the deepest taxon of at least
    ``confidence``; None where not even the highest rank has one.
    """
    found: list[tuple[str, str, float] | None] = [None] * len(probabilities)
    open_rows = np.arange(len(probabilities))
    for level in among:
        if not len(open_rows):
            break
        sums = level.sums(probabilities[open_rows])
        best = np.where(level.named, sums, -1.0).argmax(axis=1)
        values = sums[np.arange(len(open_rows)), best]
        sure = (values >= confidence) & level.named[best]
        for row, column, value in zip(
            open_rows[sure].tolist(), best[sure].tolist(), values[sure].tolist(), strict=True
        ):
            found[row] = (level.names[column], level.rank, value)
        open_rows = open_rows[~sure]
    return found


def _level(rank: str, keys: list[str], shown: list[str], column: list[str]) -> Level:
    place: dict[str, int] = {}
    names: list[str] = []
    named: list[bool] = []
    columns = []
    for key, name, of_rank in zip(keys, shown, column, strict=True):
        if key not in place:
            place[key] = len(names)
            names.append(name)
            named.append(bool(of_rank))
        columns.append(place[key])
    shape = (len(keys), len(names))
    members = sparse.csr_array((np.ones(len(keys)), (np.arange(len(keys)), columns)), shape=shape)
    return Level(rank, names, np.asarray(named), members)


def _shown(rank: str, row: dict[str, str]) -> str:
    if rank == "species" and row["genus"]:
        return f"{row['genus']} {row['species']}"
    return row[rank]
