"""From a provider's rows to the table of names: checks, canonical names, ranks, synonyms."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from nicheclip.runtime.manifest import Tally
from nicheclip.schemas import TAXON_NAMES
from nicheclip.taxonomy.kingdoms import context_column
from nicheclip.taxonomy.parsed_columns import parse_column
from nicheclip.taxonomy.providers.cells import BROKEN, name_fault, with_clean_ranks
from nicheclip.taxonomy.providers.issues import Issues
from nicheclip.taxonomy.providers.parents import (
    Rows,
    ancestors,
    cyclic_rows,
    first_parents,
    parent_rows,
)
from nicheclip.terms import RANKS

#: what a reader may give of each row; only ``line``, ``source_id`` and ``name`` must be there;
#: ``left_out`` is why the reader leaves the row out
COLUMNS = (
    "left_out",
    "source_id",
    "parent_id",
    "accepted_id",
    "name",
    "canonical",
    "authorship",
    "rank",
    *RANKS,
)

_CYCLE = "a cycle in the chain of parents"


@dataclass(frozen=True)
class Checklist:
    """A provider's names (schema ``TAXON_NAMES``), what was left out, and what is doubtful."""

    names: pl.DataFrame
    dropped: Tally
    noted: Tally


def assemble(rows: pl.DataFrame, *, provider: str, file: Path, kingdom: str = "") -> Checklist:
    """The names of a checklist.

    Rows with ranks of their own keep them; otherwise the parents give them. A synonym gets the
    ranks of its accepted taxon. Dropped with a reason: what the reader leaves out, rows without id
    or name, repeated ids, names that are broken or longer than ``LONGEST_NAME``, cycles of parents,
    synonyms of absent taxa, and names in a column of another rank. Noted: broken authors, bad
    cells of ranks, which become empty, absent parents, cycles where the ranks do not come from the
    parents, and names of two accepted taxa.

    Args:
        rows: ``line`` and any of ``COLUMNS``, text; a synonym has an ``accepted_id``.
        provider: its name in the table.
        file: named in reasons.
        kingdom: of rows that have none.
    """
    issues = Issues(file)
    flat = "kingdom" in rows.columns
    rows = _completed(rows)
    rows = issues.drop(rows, _bad_cells(rows))
    repeated = ~rows["source_id"].is_first_distinct()
    rows = issues.drop(rows, _where(repeated, "an earlier row has this id"))
    if flat:
        rows = with_clean_ranks(rows, issues)
    rows = rows.with_columns(parse_column(_name_to_parse(rows)).rename(_parsed_name))
    rows = issues.drop(rows, _unread(rows))
    author = pl.col("parsed_authorship").str.contains(BROKEN, literal=True)
    issues.note(rows.filter(author), "broken UTF-8 in the author")
    rows = _followed(rows, issues, flat=flat)
    rows = _own_names(rows, kingdom)
    rows = issues.drop(rows, *_wrong_columns())
    rows = _ranks_of_accepted(rows, issues)
    rows = _with_first_parents(rows, issues)
    names = rows.select(
        provider=pl.lit(provider),
        source_id="source_id",
        name="name",
        canonical="parsed_canonical",
        authorship=pl.coalesce("authorship", "parsed_authorship"),
        rank=pl.col("rank").fill_null(""),
        status=pl.when(pl.col("accepted_id") == pl.col("source_id"))
        .then(pl.lit("accepted"))
        .otherwise(pl.lit("synonym")),
        accepted_id="accepted_id",
        parent_id="parent_id",
        **{rank: pl.col(rank).fill_null("") for rank in RANKS},
        context=context_column(pl.col("kingdom")),
    )
    accepted = names.with_columns(line=rows["line"]).filter(pl.col("status") == "accepted")
    several = pl.len().over("canonical", "rank", "context") > 1
    issues.note(accepted.filter(several), "two accepted taxa have this name")
    return Checklist(names.select(TAXON_NAMES.names), issues.dropped, issues.noted)


def _completed(rows: pl.DataFrame) -> pl.DataFrame:
    absent = [column for column in COLUMNS if column not in rows.columns]
    rows = rows.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in absent)
    text = pl.col(COLUMNS).str.strip_chars()
    rows = rows.with_columns(pl.when(text == "").then(None).otherwise(text).name.keep())
    accepted = pl.coalesce("accepted_id", "source_id")
    return rows.with_columns(
        accepted_id=accepted,
        rank=pl.col("rank").str.to_lowercase(),
        parent_id=pl.when(pl.col("parent_id") == pl.col("source_id"))
        .then(None)
        .otherwise("parent_id"),
    )


def _bad_cells(rows: pl.DataFrame) -> pl.Series:
    name = pl.col("name")
    return rows.select(
        pl.when(pl.col("left_out").is_not_null())
        .then("left_out")
        .when(pl.col("source_id").is_null())
        .then(pl.lit("no id"))
        .when(name.is_null())
        .then(pl.lit("no name"))
        .otherwise(name_fault(name))
    ).to_series()


def _unread(rows: pl.DataFrame) -> pl.Series:
    name, author = pl.col("name"), pl.col("parsed_authorship")
    broken = name.str.count_matches(BROKEN, literal=True)
    elsewhere = broken > author.str.count_matches(BROKEN, literal=True)
    return rows.select(
        pl.when(elsewhere)
        .then(pl.lit("broken UTF-8 in the name"))
        .when(pl.col("parsed_kind") == "unparsed")
        .then(pl.lit("no scientific name"))
    ).to_series()


def _where(mask: pl.Series, reason: str) -> pl.Series:
    return pl.select(pl.when(mask).then(pl.lit(reason))).to_series()


def _parsed_name(column: str) -> str:
    return f"parsed_{column}"


def _name_to_parse(rows: pl.DataFrame) -> pl.Series:
    hybrid = pl.col("name").str.contains("×", literal=True)
    given = pl.when(hybrid).then("name").otherwise(pl.coalesce("canonical", "name"))
    return rows.select(given.alias("name")).to_series()


def _followed(rows: pl.DataFrame, issues: Issues, *, flat: bool) -> pl.DataFrame:
    """The ranks that the parents give, also over rows that were dropped.

    In a ``flat`` checklist nothing depends on the parents: what is wrong with them is noted.
    """
    if rows["parent_id"].null_count() == len(rows) and flat:
        return rows
    chain = issues.with_dropped(rows)
    parents = parent_rows(chain["source_id"], chain["parent_id"])
    absent = pl.Series(parents[: len(rows)] == -2)
    issues.note(rows.filter(absent), "the parent is not in the checklist")
    if flat:
        issues.note(rows.filter(_among(rows, cyclic_rows(parents))), _CYCLE)
        return rows
    unused = pl.repeat("", len(chain) - len(rows), eager=True)  # the ranks of dropped names
    nearest, cyclic = ancestors(parents, pl.concat([rows["rank"], unused]))
    names = rows["parsed_canonical"]
    rows = rows.with_columns(
        names.gather(pl.Series(nearest[: len(rows), level]).replace(-1, None)).alias(rank)
        for level, rank in enumerate(RANKS)
    ).with_columns(species=pl.lit(None, dtype=pl.String))
    return issues.drop(rows, _where(_among(rows, cyclic), _CYCLE))


def _among(rows: pl.DataFrame, numbers: Rows) -> pl.Series:
    mask = np.zeros(len(rows), dtype=bool)
    mask[numbers[numbers < len(rows)]] = True
    return pl.Series(mask)


def _with_first_parents(rows: pl.DataFrame, issues: Issues) -> pl.DataFrame:
    """Each row's parent is the nearest that was not dropped; one that was never there stays."""
    chain = issues.with_dropped(rows)
    if len(chain) == len(rows):
        return rows
    parents = first_parents(parent_rows(chain["source_id"], chain["parent_id"]), len(rows))
    found = rows["source_id"].gather(pl.Series(np.maximum(parents, -1)).replace(-1, None))
    absent = pl.Series(parents == -2)
    return rows.with_columns(parent_id=pl.when(absent).then("parent_id").otherwise(found))


def _own_names(rows: pl.DataFrame, kingdom: str) -> pl.DataFrame:
    """The row's own name at its rank: a binomial gives genus and epithets."""
    virus = pl.col("parsed_kind") == "virus"
    several = (pl.col("parsed_epithets") != "") & ~virus
    own = {
        rank: pl.when((pl.col("rank") == rank) & ~several)
        .then(pl.coalesce(pl.col(rank), "parsed_canonical"))
        .otherwise(rank)
        for rank in RANKS[:5]
    }
    own["genus"] = (
        pl.when(several)
        .then("parsed_genus")
        .when(pl.col("rank") == "genus")
        .then(pl.coalesce("genus", "parsed_canonical"))
        .otherwise("genus")
    )
    own["species"] = (
        pl.when(several)
        .then("parsed_epithets")
        .when(virus & (pl.col("rank") == "species"))
        .then("parsed_canonical")
    )
    if kingdom:
        own["kingdom"] = own["kingdom"].fill_null(kingdom)
    return rows.with_columns(**own)


def _wrong_columns() -> tuple[pl.Expr, pl.Expr]:
    """Names of families elsewhere, and names of two words above the species: why, and which."""
    wrong, cell = pl.lit(None, dtype=pl.String), pl.lit(None, dtype=pl.String)
    for rank in RANKS[:6]:
        family = pl.col(rank).str.contains("(?:idae|aceae)$") & (rank != "family")
        words = pl.col(rank).str.strip_prefix("× ").str.contains(" ", literal=True)
        words = words & (pl.col("parsed_kind") == "name")
        reason = pl.lit(f"another rank's name stands in the column or rank '{rank}'")
        wrong = pl.coalesce(wrong, pl.when(family | words).then(reason))
        cell = pl.coalesce(cell, pl.when(family | words).then(rank))
    return wrong, cell


def _ranks_of_accepted(rows: pl.DataFrame, issues: Issues) -> pl.DataFrame:
    target = _accepted_rows(parent_rows(rows["source_id"], rows["accepted_id"]))
    gone = pl.Series(target < 0)
    place = pl.Series(np.maximum(target, 0))
    rows = rows.with_columns(rows[rank].gather(place).alias(rank) for rank in RANKS)
    rows = rows.with_columns(accepted_id=rows["source_id"].gather(place))
    return issues.drop(rows, _where(gone, "a synonym of a taxon that is not there"))


def _accepted_rows(links: Rows) -> Rows:
    """The end of each chain of synonyms; -2 where it leads nowhere or round in a circle."""
    target = links
    for _ in range(6):  # 64 synonyms of synonyms
        target = np.where(target < 0, target, target[np.maximum(target, 0)])
    accepted = (target >= 0) & (links[np.maximum(target, 0)] == target)
    return np.where(accepted, target, -2)
