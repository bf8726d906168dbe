"""Checklists as Darwin Core tables: GBIF backbone, iNaturalist, EOL's dynamic hierarchy."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from nicheclip.taxonomy.providers.delimited import published_file, scan


@dataclass(frozen=True)
class Layout:
    """How one provider writes the terms."""

    files: tuple[str, ...]
    separator: str
    quoted: bool
    ranks: bool
    """Whether the higher ranks stand in columns; otherwise only the parents are followed."""
    identifier: str = "taxonID"


GBIF = Layout(("Taxon.tsv", "backbone/Taxon.tsv"), "\t", quoted=False, ranks=True)
INATURALIST = Layout(("taxa.csv",), ",", quoted=True, ranks=True, identifier="id")
EOL = Layout(("taxon.tab", "taxon.tsv", "taxa.txt"), "\t", quoted=False, ranks=False)

_HIGHER = ("kingdom", "phylum", "class", "order", "family", "genus")
_SYNONYM = "synonym|misapplied|invalid|not accepted|unaccepted"


def read(path: Path, layout: Layout) -> tuple[pl.DataFrame, Path]:
    """The rows of a taxon table, for ``assemble``, and the file that they stand in.

    A row is a synonym if it points to another taxon as the accepted one; iNaturalist's parents are
    web addresses, whose last part is the id.

    Raises:
        InputError: the file or a needed column is absent.
    """
    file = published_file(path, *layout.files)
    columns = {
        "source_id": (layout.identifier,),
        "parent_id": ("parentNameUsageID",),
        "accepted_id": ("acceptedNameUsageID",),
        "name": ("scientificName",),
        "canonical": ("canonicalName",),
        "authorship": ("scientificNameAuthorship",),
        "rank": ("taxonRank",),
        "status": ("taxonomicStatus",),
    } | ({rank: (rank,) for rank in _HIGHER} if layout.ranks else {})
    needed = ("source_id", "name", "rank", *(("kingdom",) if layout.ranks else ("parent_id",)))
    frame = scan(file, columns, needed=needed, separator=layout.separator, quoted=layout.quoted)
    present = frame.collect_schema().names()
    for pointer in {"parent_id", "accepted_id"} & set(present):
        frame = frame.with_columns(pl.col(pointer).str.extract(r"([^/]*)$"))
    if "status" in present and "accepted_id" in present:
        points = pl.col("status").fill_null("").str.to_lowercase().str.contains(_SYNONYM)
        differs = pl.col("accepted_id") != pl.col("source_id")
        unknown = pl.col("status").is_null()
        frame = frame.with_columns(
            accepted_id=pl.when(points | (unknown & differs)).then("accepted_id")
        )
    return frame.collect(engine="streaming"), file
