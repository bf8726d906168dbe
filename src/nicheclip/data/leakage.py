"""What a data set shares with data sets that models are judged by."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nicheclip.config.leakage import LeakageConfig
from nicheclip.data.acquired_rows import AcquiredRows
from nicheclip.data.left_out import LISTED, LeftOut
from nicheclip.data.near_pairs import near_between
from nicheclip.data.perceptual_hash import mirrored
from nicheclip.runtime.errors import InputError
from nicheclip.schemas import CATALOG, CLASSES, read_table
from nicheclip.terms import RANKS

SpeciesOf = Callable[[pl.DataFrame], pl.DataFrame]
"""Columns class_id, name, ``RANKS`` to columns class_id, species."""
#: shared images that an error names
NAMED = 3


@dataclass(frozen=True)
class JudgedData:
    """What a data set that models are judged by has: schemas ``CATALOG`` and ``CLASSES``."""

    catalog: Path
    classes: Path


@dataclass(frozen=True)
class Apart:
    """What a data set must stay apart from."""

    config: LeakageConfig
    judged: Sequence[JudgedData]
    """In the order of ``config.apart_from``."""
    species_of: SpeciesOf


class Shared(NamedTuple):
    """Which rows are shared."""

    number: NDArray[np.uint16]
    """[rows]: 0, or the place in ``reasons`` plus one."""
    reasons: list[str]


def find_shared(rows: AcquiredRows, kept: NDArray[np.bool_], apart: Apart, spool: Path) -> Shared:
    """Compare the rows with the images for validation and test of what is judged, and its species.

    A row gets the first reason that holds: bytes, then versions, then species. In memory are two
    bytes a row, the perceptual hashes (eight bytes of each different one, where versions are
    compared), and all that is compared of what is judged.

    Args:
        rows: of the data set.
        kept: which rows are looked at.
        apart: from what, by what, and how near.
        spool: a folder for hashes.

    Raises:
        InputError: images are compared, and a judged data set has none for validation and test.
    """
    config, judged = apart.config, apart.judged
    reasons = _Reasons(config.apart_from)
    theirs = _compared(judged)
    for place, name in enumerate(config.apart_from if set(config.by) != {"species"} else ()):
        if not (theirs["judged"] == place).any():
            raise InputError(
                f"leakage.apart_from: {name} has no image for validation or test, so there is "
                "nothing to compare. Correct its split, or take it out of apart_from."
            )
    tests: list[tuple[list[str], Callable[[pl.DataFrame], pl.Series]]] = []
    if "bytes" in config.by:
        known = reasons.table(theirs, "sha256", "the same bytes as an image of {}")
        tests.append((["sha256"], lambda frame: _looked_up(frame, known, "sha256")))
    if "versions" in config.by:
        near = _near(rows, kept, theirs, config.bits, spool)
        versions = reasons.table(near, "phash", "a version of an image of {}")
        tests.append((["phash"], lambda frame: _looked_up(frame, versions, "phash")))
    if "species" in config.by:
        same = reasons.table(_species(rows, kept, apart), "class_id", "a species of {}")
        tests.append((["class_id"], lambda frame: _looked_up(frame, same, "class_id")))
    number = np.zeros(len(rows), np.uint16)
    columns = [column for needed, _ in tests for column in needed]
    for where, frame in rows.batches(columns):
        found = pl.DataFrame([test(frame).alias(str(i)) for i, (_, test) in enumerate(tests)])
        first = found.select(pl.coalesce(pl.all()).fill_null(0)).to_series()
        number[where] = np.where(kept[where], first.to_numpy(), 0)
    return Shared(number, reasons.texts)


def settle(
    name: str, shared: Shared, rows: AcquiredRows, config: LeakageConfig, left_out: LeftOut
) -> None:
    """Stop, or say what is left out.

    Args:
        name: of the data set.
        shared: of ``find_shared``.
        rows: of the data set.
        config: says which.
        left_out: what the data set leaves out, to which it is added.

    Raises:
        InputError: something is shared, and ``config.action`` is `stop`.
    """
    images = int((shared.number > 0).sum())
    if not images:
        return
    if config.action == "stop":
        raise InputError(_what_is_shared(name, shared, rows, images))
    listed = 0
    for where, frame in rows.batches(["position", "key"]):
        mine = shared.number[where]
        reasons = pl.Series("reason", [shared.reasons[n - 1] for n in mine[mine > 0]], pl.String)
        if listed < LISTED:
            left_out.add(frame.filter(pl.Series(mine > 0)).with_columns(reasons))
        else:
            left_out.count(reasons)
        listed += len(reasons)


class _Reasons:
    """Numbers of what can be shared with which data set."""

    def __init__(self, names: Sequence[str]) -> None:
        self.texts: list[str] = []
        self._names = names

    def table(self, found: pl.DataFrame, column: str, text: str) -> pl.DataFrame:
        """``column`` of ``found`` (columns judged, ``column``), each value once, and ``number``."""
        first = len(self.texts) + 1
        self.texts += [text.format(name) for name in self._names]
        least = found.group_by(column).agg(number=pl.col("judged").min() + first)
        return least.with_columns(pl.col("number").cast(pl.UInt16))


def _looked_up(frame: pl.DataFrame, known: pl.DataFrame, column: str) -> pl.Series:
    asked = frame.select(column)
    return asked.join(known, on=column, how="left", maintain_order="left")["number"]


def _compared(judged: Sequence[JudgedData]) -> pl.DataFrame:
    """Columns judged (place of the data set), sha256, phash: what is not for training."""
    tables = []
    for place, one in enumerate(judged):
        catalog = pl.DataFrame(
            read_table(one.catalog, CATALOG).select(["split", "sha256", "phash"])
        )
        catalog = catalog.filter(pl.col("split") != "train").drop("split")
        tables.append(catalog.with_columns(judged=pl.lit(place, pl.Int64)))
    return pl.concat(tables)


def _near(
    rows: AcquiredRows, kept: NDArray[np.bool_], theirs: pl.DataFrame, bits: int, spool: Path
) -> pl.DataFrame:
    """Columns judged, phash: the hashes of rows that are near one of ``theirs`` or its mirror."""
    hashes = [np.zeros(0, np.uint64)]
    for where, frame in rows.batches(["phash"]):
        hashes.append(frame["phash"].to_numpy()[kept[where]])
    straight = theirs["phash"].to_numpy()
    either = np.concatenate([straight, mirrored(straight)])
    near = near_between(np.unique(np.concatenate(hashes)), np.unique(either), bits, spool)
    pairs = pl.DataFrame({"phash": near[:, 0], "other": near[:, 1]})
    of_set = pl.DataFrame({"other": either, "judged": np.tile(theirs["judged"].to_numpy(), 2)})
    return pairs.join(of_set.unique(), on="other").select("judged", "phash").unique()


def _species(rows: AcquiredRows, kept: NDArray[np.bool_], apart: Apart) -> pl.DataFrame:
    """Columns judged, class_id: the classes of rows whose species a judged data set has."""
    columns = ["class_id", "name", *RANKS]
    mine = pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
    for where, frame in rows.batches(columns):
        mine = pl.concat([mine, frame.filter(pl.Series(kept[where]))]).unique(maintain_order=True)
    theirs = []
    for place, one in enumerate(apart.judged):
        classes = pl.DataFrame(read_table(one.classes, CLASSES).select(columns))
        theirs.append(apart.species_of(classes).with_columns(judged=pl.lit(place, pl.Int64)))
    both = apart.species_of(mine).join(pl.concat(theirs).drop("class_id"), on="species")
    return both.select("judged", "class_id").unique()


def _what_is_shared(name: str, shared: Shared, rows: AcquiredRows, images: int) -> str:
    counted = np.bincount(shared.number, minlength=len(shared.reasons) + 1)[1:]
    found = [f"{n} x {text}" for n, text in zip(counted, shared.reasons, strict=True) if n]
    named: list[str] = []
    for where, frame in rows.batches(["key"]):
        named += frame["key"].filter(pl.Series(shared.number[where] > 0)).head(NAMED).to_list()
        if len(named) >= NAMED:
            break
    return (
        f"{name}: {images} images are shared with data that models are judged by: "
        f"{'; '.join(found)}. For example {', '.join(named[:NAMED])}. Nothing was written. Set "
        f"datasets.{name}.leakage.action: remove to leave them out, or take what may be shared out "
        "of leakage.apart_from or leakage.by."
    )
