"""Tables that say what the members of archives are, for millions of members.

Kept are 13 bytes of each row, 4 more where a table has its licence, and what rows say, each once:
tens of millions of images have some hundred thousand taxa.
"""

import logging
import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nicheclip.config.archive_readers import MemberTableReader
from nicheclip.data.hashed_keys import NOWHERE, hashes_of, places_of
from nicheclip.data.sources.base import SourceImage, clean_label
from nicheclip.data.sources.columns import extra_fields
from nicheclip.data.sources.member_rights import Rights, read_rights
from nicheclip.data.sources.table_blocks import Facts, TableFile, blocks, stripped
from nicheclip.data.splits import normalise_split
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.manifest import Dropped
from nicheclip.terms import RANKS, SPLITS

log = logging.getLogger(__name__)

#: of a row that names no split
NO_SPLIT = -1


@dataclass(frozen=True)
class MemberTable:
    """What rows say of members, found by the members' last folders and name."""

    example: str
    """The member of the first row."""
    _hashes: NDArray[np.uint64]
    """Of the rows' members, sorted."""
    _facts_of: NDArray[np.int32]
    _splits: NDArray[np.int8]
    _facts: pl.DataFrame
    _rights_of: NDArray[np.int32]
    _rights: Rights | None
    _depths: Sequence[int]
    """How many last parts of a member's name the rows say."""

    def find(self, member: str) -> int | None:
        """The row that names ``member``, by its place in the sorted table."""
        parts = PurePosixPath(member).parts
        found = (self._row(parts[-depth:]) for depth in self._depths)
        return next((row for row in found if row != NOWHERE), None)

    def image(self, row: int, data: bytes, key: str) -> SourceImage | Dropped:
        """The labelled image of a row, or the reason against it."""
        named = self._facts.row(int(self._facts_of[row]), named=True)
        cells = {name: cell for name, cell in named.items() if cell}
        if self._rights is not None:
            cells = self._rights.of(int(self._rights_of[row])) | cells
        label = clean_label(cells.pop("label", ""))
        lineage = [cells.get(rank, "") for rank in RANKS]
        name = ""
        if "label" not in named:
            label, name = _taxon(lineage)
        if not label:
            return Dropped(key=key, reason="the table names no class")
        extra = extra_fields(cells, where=key)
        split = int(self._splits[row])
        if split != NO_SPLIT:
            extra["split"] = SPLITS[split]
        return SourceImage(key, data, label, name=name, **extra)

    def _row(self, parts: Sequence[str]) -> int:
        return int(places_of(pl.Series(["/".join(parts)]), self._hashes)[0])


def _taxon(lineage: Sequence[str]) -> tuple[str, str]:
    """The class that a lineage is, and how people write it.

    Ranks that have no name in between stay visible, so that no two lineages are one class.
    """
    known = [place for place, name in enumerate(lineage) if name]
    if not known:
        return "", ""
    label = "/".join(clean_label(name) or "-" for name in lineage[: known[-1] + 1])
    genus, last = lineage[RANKS.index("genus")], lineage[known[-1]]
    is_epithet = known[-1] == RANKS.index("species") and not last.startswith(f"{genus} ")
    return label, f"{genus} {last}".strip() if is_epithet else last


def read_member_table(
    files: Sequence[TableFile], reader: MemberTableReader, rights: TableFile | None = None
) -> MemberTable:
    """Read the tables, a block at a time.

    Args:
        files: with a row for each image.
        reader: what the columns mean.
        rights: the table of ``reader.rights``, if there is one.

    Raises:
        InputError: one is damaged, lacks a column, names no member, or names one twice.
    """
    names = {*reader.columns, *reader.fixed} - {"split"}
    columns = [name for name in ("label", *RANKS, *sorted(names)) if name in names]
    columns = list(dict.fromkeys(columns))
    facts, held = Facts(columns), None
    if rights is not None and reader.rights is not None:
        held = read_rights(rights, reader.rights, reader.delimiter)
    hashes, codes, splits, held_codes, depths = [], [], [], [], set[int]()
    example = ""
    for file in files:
        for block in blocks(file, _wanted(reader), reader.delimiter):
            rows = _rows(block, file, reader)
            if not rows.height:
                continue
            example = example or rows["member"][0]
            depths |= set((rows["member"].str.count_matches("/") + 1).unique().to_list())
            hashes.append(hashes_of(rows["member"]))
            codes.append(facts.codes(rows.select(columns)))
            splits.append(rows["split"].to_numpy())
            if held is not None:
                held_codes.append(held.codes(rows["rights"]))
    if not hashes:
        raise InputError(f"{files[0].name}: no row names an image. Expected {reader.members}.")
    order = np.argsort(every := np.concatenate(hashes), kind="stable")
    sorted_hashes = every[order]
    _refuse_twice(sorted_hashes, order, files)
    return MemberTable(
        example=example,
        _hashes=sorted_hashes,
        _facts_of=np.concatenate(codes)[order],
        _splits=np.concatenate(splits)[order],
        _facts=facts.rows,
        _rights_of=np.concatenate(held_codes)[order] if held_codes else np.empty(0, np.int32),
        _rights=held,
        _depths=sorted(depths),
    )


def _rows(block: pl.DataFrame, file: TableFile, reader: MemberTableReader) -> pl.DataFrame:
    """The columns by our names, ``member`` and the number of the ``split``, of rows that count."""
    block = stripped(block, reader.nothing)
    member = pl.coalesce([_member(pattern) for pattern in reader.members])
    member = member.str.replace(r"^(\./|/)+", "")
    if reader.last is not None:
        member = member.str.split("/").list.tail(reader.last).list.join("/")
    chosen = [pl.col(theirs).alias(ours) for ours, theirs in reader.columns.items()]
    fixed = [pl.lit(text).alias(ours) for ours, text in reader.fixed.items()]
    key = [pl.col(reader.rights.key).alias("rights")] if reader.rights else []
    rows = block.select(member.alias("member"), *chosen, *fixed, *key)
    return _with_splits(rows, file, reader).filter(pl.col("member").is_not_null())


def _with_splits(rows: pl.DataFrame, file: TableFile, reader: MemberTableReader) -> pl.DataFrame:
    """``rows`` with the number of each one's split, without those of splits that are not wanted."""
    if "split" not in rows.columns:
        same = NO_SPLIT if file.split is None else SPLITS.index(file.split)
        return rows.with_columns(pl.lit(same, pl.Int8).alias("split"))
    words = rows["split"].drop_nulls().unique().to_list()
    if reader.splits is None:
        meant = {word: normalise_split(word, where=file.name) for word in words}
    else:
        meant = {word: reader.splits[word] for word in words if word in reader.splits}
        rows = rows.filter(pl.col("split").is_in(list(meant)))
    numbers = {word: SPLITS.index(split) for word, split in meant.items()}
    number = pl.col("split").replace_strict(numbers, default=NO_SPLIT, return_dtype=pl.Int8)
    return rows.with_columns(number)


def _member(pattern: str) -> pl.Expr:
    """The member by ``pattern``; null where one of its columns says nothing."""
    parts: list[pl.Expr] = []
    for text, name, size, _ in string.Formatter().parse(pattern):
        if text:
            parts.append(pl.lit(text))
        if name is not None:
            # whole numbers that were written as floats, as pandas does beside empty cells
            cell = pl.col(name).str.replace(r"^(\d+)\.0$", "${1}")
            parts.append(cell.str.zfill(int(size)) if size else cell)
    return pl.concat_str(parts)


def _wanted(reader: MemberTableReader) -> list[str]:
    parsed = (string.Formatter().parse(pattern) for pattern in reader.members)
    fields = [name for parts in parsed for _, name, _, _ in parts if name is not None]
    keys = [reader.rights.key] if reader.rights else []
    return list(dict.fromkeys([*fields, *reader.columns.values(), *keys]))


def _refuse_twice(
    hashes: NDArray[np.uint64], order: NDArray[np.int64], files: Sequence[TableFile]
) -> None:
    twice = np.flatnonzero(hashes[1:] == hashes[:-1])
    if not len(twice):
        return
    first, second = sorted(int(number) for number in order[twice[0] : twice[0] + 2])
    raise InputError(
        f"{', '.join(file.name for file in files)}: {len(twice)} rows name the image of another "
        f"row; the first are rows {first + 1} and {second + 1} of those that count. Correct the "
        "table, or reader.member, so that each image has one row."
    )
