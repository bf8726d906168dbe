"""Fewer classes to choose from: those of a clade, or of a list such as a region's checklist."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

import polars as pl

from nicheclip.predict.class_list import ClassList
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.paths import read_text
from nicheclip.terms import RANKS

#: names that a message shows
NAMED = 8


def parse_within(values: Sequence[str]) -> dict[str, list[str]]:
    """Names by rank, from texts such as ``family=Rosaceae``; several of a rank are alternatives.

    Raises:
        InputError: a text is not of this form, or names no rank.
    """
    found: dict[str, list[str]] = {}
    for value in values:
        rank, sign, name = (part.strip() for part in value.partition("="))
        if not sign or not name or rank not in RANKS:
            raise InputError(
                f"--within {value}: expected RANK=NAME with one of the ranks {', '.join(RANKS)}, "
                "for example --within family=Rosaceae."
            )
        found.setdefault(rank, []).append(name)
    return found


def within(classes: ClassList, taxa: Mapping[str, Sequence[str]]) -> ClassList:
    """The classes of these taxa.

    Args:
        classes: to choose from.
        taxa: names by rank; a class must be of one of the names of each rank.

    Raises:
        InputError: a name is unknown, or fewer than two classes are left.
    """
    kept = pl.Series([True] * classes.table.height, dtype=pl.Boolean)
    for rank, names in taxa.items():
        column = classes.table[rank]
        shown = _binomials(classes.table) if rank == "species" else column
        known = {name.casefold() for name in [*column, *shown] if name}
        if not known:
            raise InputError(
                f"--within {rank}: the classes ({classes.source}) have no {rank}. Give them ranks "
                "in a table: --taxonomy FILE."
            )
        unknown = [name for name in names if name.casefold() not in known]
        if unknown:
            _refuse(f"--within {rank}", unknown, [*column, *shown])
        wanted = {name.casefold() for name in names}
        kept &= column.str.to_lowercase().is_in(wanted) | shown.str.to_lowercase().is_in(wanted)
    return _enough(classes.only(kept), classes, "--within")


def among(classes: ClassList, path: Path) -> tuple[ClassList, list[str]]:
    """The classes that a file lists, and the names in it that no class or taxon has.

    Args:
        classes: to choose from.
        path: a text file with a name on each line: of a class, of a species, or of a taxon of any
            rank, which stands for all its classes; lines that begin with # are passed over.

    Raises:
        InputError: no such file, or fewer than two classes are left.
    """
    lines = [" ".join(line.split()) for line in read_text(path).splitlines()]
    wanted = {line.casefold(): line for line in lines if line and not line.startswith("#")}
    if not wanted:
        raise InputError(f"{path}: names nothing. Write the name of a taxon on each line.")
    table = classes.table
    columns = [table[name] for name in ("class_id", "name", "common", *RANKS)]
    columns.append(_binomials(table))
    kept = pl.Series([False] * table.height, dtype=pl.Boolean)
    met: set[str] = set()
    for column in columns:
        lower = column.str.to_lowercase()
        here = lower.is_in(list(wanted))
        kept |= here
        met.update(lower.filter(here))
    missing = [name for key, name in wanted.items() if key not in met]
    return _enough(classes.only(kept), classes, str(path)), missing


def _binomials(table: pl.DataFrame) -> pl.Series:
    both = pl.concat_str("genus", "species", separator=" ")
    return table.select(
        pl.when(pl.col("species") != "").then(both).otherwise(pl.lit(""))
    ).to_series()


def _enough(found: ClassList, before: ClassList, what: str) -> ClassList:
    if found.table.height < 2:
        raise InputError(
            f"{what}: leaves {found.table.height} of {before.table.height} classes "
            f"({before.source}); expected at least two to choose from."
        )
    return found


def _refuse(what: str, unknown: Sequence[str], known: Sequence[str]) -> None:
    names = sorted({name for name in known if name})
    near = [n for one in unknown for n in get_close_matches(one, names, n=2)]
    advice = f"Did you mean {', '.join(near)}?" if near else f"Known: {', '.join(names[:NAMED])}"
    raise InputError(
        f"{what}: no class is of {', '.join(unknown[:NAMED])}. {advice}"
        f"{', ...' if not near and len(names) > NAMED else ''}"
    )
