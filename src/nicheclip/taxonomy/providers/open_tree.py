"""Open Tree of Life's taxonomy: fields divided by a bar between tabs."""

from pathlib import Path

import polars as pl

from nicheclip.taxonomy.provider_files import PUBLISHED
from nicheclip.taxonomy.providers.delimited import scan
from nicheclip.taxonomy.published_table import find_table

#: names that Open Tree itself keeps out of its tree
_HIDDEN = "not_otherwise_classified|environmental|hidden|unclassified"


def read(path: Path) -> tuple[pl.DataFrame, Path]:
    """The rows of ``taxonomy.tsv`` and, beside it, ``synonyms.tsv``, for ``assemble``.

    Open Tree calls animals Metazoa and plants Chloroplastida; the context makes them one with
    other providers' kingdoms. Lines of synonyms are counted on from the last taxon.

    Raises:
        InputError: the file or a needed column is absent.
    """
    table = find_table(path, PUBLISHED["open_tree"])
    columns = {
        "source_id": ("uid",), "parent_id": ("parent_uid",), "name": ("name",), "rank": ("rank",),
        "flags": ("flags",),
    }  # fmt: skip
    needed = ("source_id", "parent_id", "name", "rank")
    taxa = scan(table, columns, needed=needed, separator="\t").collect(engine="streaming")
    if "flags" in taxa.columns:
        hidden = pl.when(pl.col("flags").str.contains(_HIDDEN))
        reason = pl.lit("kept out of the tree by Open Tree's flags")
        taxa = taxa.with_columns(left_out=hidden.then(reason)).drop("flags")
    # a group that no kingdom stands above is one itself, under its own name
    is_kingdom = pl.col("name").is_in(["Metazoa", "Chloroplastida", "Fungi", "Bacteria", "Archaea"])
    taxa = taxa.with_columns(rank=pl.when(is_kingdom).then(pl.lit("kingdom")).otherwise("rank"))
    beside = table.beside("synonyms.tsv")
    if beside is None:
        return taxa, table.shown
    columns = {"accepted_id": ("uid",), "name": ("name",)}
    synonyms = scan(beside, columns, needed=("accepted_id", "name"), separator="\t").collect()
    synonyms = synonyms.with_columns(
        source_id=pl.format("{}-synonym-{}", "accepted_id", "line"),
        line=pl.col("line") + taxa["line"].max(),
    )
    return pl.concat([taxa, synonyms], how="diagonal"), table.shown
