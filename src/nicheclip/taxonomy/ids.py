"""The id of a taxon: a digest of its seven names."""

import hashlib
from collections.abc import Mapping

import polars as pl

from nicheclip.terms import RANKS


def taxon_id(lineage: Mapping[str, str]) -> str | None:
    """First 16 hex digits of sha256 over the seven names; None where all are empty."""
    names = [lineage.get(rank) or "" for rank in RANKS]
    if not any(names):
        return None
    return hashlib.sha256("\x1f".join(names).encode()).hexdigest()[:16]


def taxon_ids(lineages: pl.DataFrame) -> pl.Series:
    """``taxon_id`` of every row of a table with columns ``RANKS``, none of them null."""
    joined = lineages.select(pl.concat_str(RANKS, separator="\x1f")).to_series().to_list()
    nothing = "\x1f" * (len(RANKS) - 1)
    digests = [
        None if text == nothing else hashlib.sha256(text.encode()).hexdigest()[:16]
        for text in joined
    ]
    return pl.Series("taxon_id", digests, dtype=pl.String)
