"""Tables of lineages, cleaned: the columnar form of ``Lineage.from_ranks``."""

from collections.abc import Callable, Sequence

import polars as pl

from nicheclip.taxonomy import name_words as vocabulary
from nicheclip.taxonomy.kingdoms import context_column
from nicheclip.taxonomy.parsed_columns import WELL_FORMED, well_formed
from nicheclip.taxonomy.species import read_name_above, read_species
from nicheclip.terms import RANKS

_PLAIN_NAME = r"^[A-Z][a-z]{2,}$"
_SAYS_NOTHING = rf"^(?:{vocabulary.NO_NAME.pattern}|candidatus)|{vocabulary.VIRUS.pattern}"


def clean_lineages(lineages: pl.DataFrame) -> pl.DataFrame:
    """The seven ranks of each row, cleaned, and the key of its species; rows keep their order.

    The work is done once for each different name; well-formed names cost no Python.

    Args:
        lineages: columns ``RANKS``; null is unknown.

    Returns:
        Columns ``RANKS`` ("" is unknown), ``canonical`` (of the species or what is below it; "" is
        none), as ``read_species`` and ``read_name_above`` give them.
    """
    texts = lineages.select(
        pl.col(rank).cast(pl.String).fill_null("").str.strip_chars() for rank in RANKS
    )
    texts = texts.with_columns(_names_above(texts[rank]) for rank in RANKS[:6])
    return _with_species(texts).with_columns(kingdom=context_column(pl.col("kingdom")))


def finest(
    value: Callable[[str], pl.Expr],
    ranks: Sequence[str] = RANKS,
    *,
    name: Callable[[str], pl.Expr] = pl.col,
) -> pl.Expr:
    """``value`` of the lowest of ``ranks`` that has a ``name``; "" where none has.

    ``finest(pl.lit)`` is the finest known rank, ``finest(pl.col)`` the name at it.
    """
    values = [pl.when(name(rank) != "").then(value(rank)) for rank in reversed(ranks)]
    return pl.coalesce(*values, pl.lit(""))


def _names_above(names: pl.Series) -> pl.Series:
    rows = names.alias("found").to_frame()
    found = pl.col("found")
    plain = found.str.contains(_PLAIN_NAME) & ~found.str.contains(_SAYS_NOTHING)
    odd = rows.unique().filter((pl.col("found") != "") & ~plain)
    read = [read_name_above(name) for name in odd["found"].to_list()]
    odd = odd.with_columns(read=pl.Series(read, dtype=pl.String))
    joined = rows.join(odd, on="found", how="left", maintain_order="left")
    return joined.select(pl.coalesce("read", "found").alias(names.name)).to_series()


def _with_species(texts: pl.DataFrame) -> pl.DataFrame:
    pairs = texts.select("genus", "species").unique()
    text = (
        pl.when(pl.col("species").str.contains(r"^\p{Lu}"))
        .then("species")
        .otherwise(pl.concat_str("genus", "species", separator=" "))
    )
    pairs = pairs.filter(pl.col("species") != "").with_columns(text=text)
    with_epithet = (
        well_formed(pl.col("text"))
        & pl.col("text").str.contains(r"^\S+ \p{Ll}")
        & ~pl.col("species").str.contains(_SAYS_NOTHING)
    )
    plain = pairs.filter(with_epithet)
    parts = plain["text"].str.extract_groups(WELL_FORMED).struct.unnest()
    plain = plain.with_columns(
        read_genus=parts["genus"],
        read_epithets=parts["epithets"],
        read_canonical=parts["genus"] + " " + parts["epithets"],
    )
    odd = pairs.filter(~with_epithet)
    read = [read_species(genus, species) for genus, species, _ in odd.iter_rows()]
    odd = odd.with_columns(
        pl.Series("read_genus", [one.genus for one in read], dtype=pl.String),
        pl.Series("read_epithets", [one.epithets for one in read], dtype=pl.String),
        pl.Series("read_canonical", [one.canonical for one in read], dtype=pl.String),
    )
    both = pl.concat([plain, odd])
    return texts.join(both, on=["genus", "species"], how="left", maintain_order="left").select(
        *RANKS[:5],
        pl.coalesce("read_genus", "genus").alias("genus"),
        pl.coalesce("read_epithets", "species").alias("species"),
        pl.col("read_canonical").fill_null("").alias("canonical"),
    )
