"""Checklists as Darwin Core tables: GBIF backbone, iNaturalist, EOL's dynamic hierarchy."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from nicheclip.taxonomy.provider_files import PUBLISHED
from nicheclip.taxonomy.providers.delimited import scan
from nicheclip.taxonomy.published_table import taxon_table


@dataclass(frozen=True)
class Layout:
    """How one provider writes the terms."""

    files: Sequence[str]
    separator: str
    quoted: bool
    ranks: bool
    """Whether the higher ranks are in columns; otherwise only the parents are followed."""
    identifier: str = "taxonID"


GBIF = Layout(PUBLISHED["gbif"], "\t", quoted=False, ranks=True)
INATURALIST = Layout(PUBLISHED["inaturalist"], ",", quoted=True, ranks=True, identifier="id")
EOL = Layout(PUBLISHED["eol"], "\t", quoted=False, ranks=False)

_HIGHER = ("kingdom", "phylum", "class", "order", "family", "genus")
_SYNONYM = "synonym|misapplied|invalid|not accepted|unaccepted"


def read(path: Path, layout: Layout) -> tuple[pl.DataFrame, Path]:
    """The rows of a taxon table, for ``assemble``, and the file that holds them.

    A row is a synonym if its status says so, or if it has none and points to another taxon as the
    accepted one; iNaturalist's parents are web addresses, whose last part is the id.

    Raises:
        InputError: the file or a needed column is absent.
    """
    table = taxon_table(path, layout.files)
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
    frame = scan(table, columns, needed=needed, separator=layout.separator, quoted=layout.quoted)
    present = frame.collect_schema().names()
    pointers = ("parent_id", "accepted_id")
    absent = [column for column in (*pointers, "status") if column not in present]
    frame = frame.with_columns(pl.lit(None, dtype=pl.String).alias(column) for column in absent)
    frame = frame.with_columns(pl.col(pointers).str.extract(r"([^/]+)$"))
    status = pl.col("status").str.strip_chars().fill_null("")
    differs = pl.col("accepted_id") != pl.col("source_id")
    synonym = status.str.to_lowercase().str.contains(_SYNONYM) | ((status == "") & differs)
    lost = pl.when(synonym & pl.col("accepted_id").is_null())
    frame = frame.with_columns(
        accepted_id=pl.when(synonym).then("accepted_id"),
        left_out=lost.then(pl.lit("a synonym that names no accepted taxon")),
    )
    return frame.collect(engine="streaming"), table.shown


def eol_pages(path: Path) -> pl.DataFrame:
    """Which page of EOL tells of which taxon: columns page_id, source_id.

    EOL's tables of common names and of media give the page, not the id of the taxon. A hierarchy
    without the column gives no rows.

    Raises:
        InputError: the file or the column of ids is absent.
    """
    columns = {"page_id": ("EOLid", "eolID"), "source_id": (EOL.identifier,)}
    table = taxon_table(path, EOL.files)
    frame = scan(table, columns, needed=("source_id",), separator=EOL.separator)
    if "page_id" not in frame.collect_schema().names():
        frame = frame.with_columns(page_id=pl.lit(None, dtype=pl.String))
    text = pl.col("page_id", "source_id").str.strip_chars()
    pages = frame.select(text).filter(pl.col("page_id") != "")
    return pages.collect(engine="streaming")
