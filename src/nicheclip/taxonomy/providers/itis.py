"""The Integrated Taxonomic Information System, as the SQLite file that it publishes."""

import sqlite3
from contextlib import closing
from pathlib import Path

import polars as pl

from nicheclip.errors import InputError
from nicheclip.taxonomy.providers.delimited import published_file

_NAMES = """
    SELECT unit.tsn AS source_id, unit.parent_tsn AS parent_id, link.tsn_accepted AS accepted_id,
           unit.complete_name AS name, author.taxon_author AS authorship, type.rank_name AS rank
    FROM taxonomic_units unit
    LEFT JOIN synonym_links link ON link.tsn = unit.tsn
    LEFT JOIN taxon_authors_lkp author ON author.taxon_author_id = unit.taxon_author_id
        AND author.kingdom_id = unit.kingdom_id
    LEFT JOIN taxon_unit_types type ON type.rank_id = unit.rank_id
        AND type.kingdom_id = unit.kingdom_id
    WHERE link.tsn_accepted IS NOT NULL OR unit.name_usage IN ('valid', 'accepted')
    ORDER BY unit.tsn, link.tsn_accepted
"""
_VERNACULARS = "SELECT tsn AS source_id, vernacular_name AS name, language FROM vernaculars"
_TABLES = ("taxonomic_units", "synonym_links", "taxon_authors_lkp", "taxon_unit_types")


def read(path: Path) -> tuple[pl.DataFrame, Path]:
    """The rows of the units of ITIS, for ``assemble``; ``line`` is the number of the row.

    Raises:
        InputError: the file is absent, is no SQLite database, or lacks a table.
    """
    file = published_file(path, "ITIS.sqlite")
    frame = _query(file, _NAMES, _TABLES).with_row_index("line", offset=1)
    no_parent = pl.col("parent_id").is_in(["0", ""])
    return frame.with_columns(parent_id=pl.when(~no_parent).then("parent_id")), file


def read_vernaculars(path: Path) -> pl.DataFrame:
    """Columns source_id, name, language of the common names."""
    return _query(published_file(path, "ITIS.sqlite"), _VERNACULARS, ("vernaculars",))


def _query(file: Path, query: str, tables: tuple[str, ...]) -> pl.DataFrame:
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as database:
            found = {row[0] for row in database.execute("SELECT name FROM sqlite_master")}
            missing = [table for table in tables if table not in found]
            if missing:
                raise InputError(f"{file}: no table {missing[0]!r}. Give ITIS's SQLite download.")
            cursor = database.execute(query)
            names = [column[0] for column in cursor.description]
            values = list(zip(*cursor.fetchall(), strict=True)) or [()] * len(names)
    except sqlite3.DatabaseError as error:
        raise InputError(f"{file}: {error}. Give ITIS's SQLite download.") from error
    return pl.DataFrame(
        {
            name: pl.Series([None if v is None else str(v) for v in column], dtype=pl.String)
            for name, column in zip(names, values, strict=True)
        }
    )
