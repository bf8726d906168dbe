"""Tables of any length resolved: each different lineage once, the rows by a streamed join."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from nicheclip.config.base import RANKS
from nicheclip.errors import InputError
from nicheclip.files import atomic_path
from nicheclip.tables import TAXA
from nicheclip.taxonomy.resolve import resolve
from nicheclip.taxonomy.texts import taxon_texts


def resolve_table(
    rows: Path,
    names: pl.DataFrame,
    *,
    providers: Sequence[str],
    keep: Sequence[str],
    output: Path,
    common: pl.DataFrame | None = None,
    higher_rank_fallback: bool = True,
) -> pl.DataFrame:
    """Write ``keep``, taxon_id and resolution of every row; return the lineages' resolutions.

    Memory holds the different lineages and the names that they match, not the rows.

    Args:
        rows: a Parquet file with columns ``RANKS`` and ``keep``.
        names: schema ``TAXON_NAMES``.
        providers: best first.
        keep: columns to take over, such as an image's id.
        output: the Parquet file to write.
        common: of ``vernaculars.common_names``.
        higher_rank_fallback: as in ``resolve``.

    Raises:
        InputError: a column is absent.
    """
    table = pl.scan_parquet(rows)
    absent = [name for name in (*RANKS, *keep) if name not in table.collect_schema().names()]
    if absent:
        raise InputError(f"{rows}: no column {absent[0]!r}; expected {[*RANKS, *keep]}.")
    table = table.select(*keep, pl.col(RANKS).fill_null(""))
    lineages = table.select(RANKS).unique().collect(engine="streaming").sort(RANKS)
    resolutions = resolve(
        lineages,
        names,
        providers=providers,
        common=common,
        higher_rank_fallback=higher_rank_fallback,
    )
    found = resolutions.select(
        *(pl.col(f"given_{rank}").alias(rank) for rank in RANKS), "taxon_id", "resolution"
    )
    joined = table.join(found.lazy(), on=list(RANKS), how="left")
    with atomic_path(output) as temporary:
        joined.select(*keep, "taxon_id", "resolution").sink_parquet(temporary)
    return resolutions


def taxa_of(resolutions: pl.DataFrame) -> pl.DataFrame:
    """The different taxa of resolutions; schema ``TAXA``. The best resolution of each is told."""
    order = ["exact", "homonym-by-context", "synonym", "higher-rank", "unresolved"]
    known = resolutions.filter(pl.col("taxon_id").is_not_null())
    best = known.with_columns(
        place=pl.col("resolution").replace_strict({name: i for i, name in enumerate(order)})
    )
    taxa = best.sort("place", maintain_order=True).unique(
        "taxon_id", keep="first", maintain_order=True
    )
    return taxa.sort(RANKS).select(TAXA.names)


def write_texts(taxa: pl.DataFrame, output: Path) -> None:
    """The seven text types of each taxon, schema ``TEXTS``, streamed into a Parquet file."""
    with atomic_path(output) as temporary:
        taxon_texts(taxa.lazy()).sink_parquet(temporary)
