"""The Integrated Taxonomic Information System, as the SQLite file that it publishes."""

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import polars as pl

from nicheclip.runtime.errors import InputError
from nicheclip.taxonomy.provider_files import PUBLISHED
from nicheclip.taxonomy.published_table import Table, find_table

_NAMES = """
    SELECT CAST(unit.tsn AS TEXT) AS source_id, CAST(unit.parent_tsn AS TEXT) AS parent_id,
           CAST(link.tsn_accepted AS TEXT) AS accepted_id, unit.complete_name AS name,
           author.taxon_author AS authorship, type.rank_name AS rank,
           CASE WHEN link.tsn_accepted IS NOT NULL THEN NULL
               WHEN unit.name_usage IN ('valid', 'accepted') THEN NULL
               ELSE 'neither valid nor a synonym' END AS left_out
    FROM taxonomic_units unit
    LEFT JOIN synonym_links link ON link.tsn = unit.tsn
    LEFT JOIN taxon_authors_lkp author ON author.taxon_author_id = unit.taxon_author_id
        AND author.kingdom_id = unit.kingdom_id
    LEFT JOIN taxon_unit_types type ON type.rank_id = unit.rank_id
        AND type.kingdom_id = unit.kingdom_id
    ORDER BY unit.tsn, link.tsn_accepted
"""
_VERNACULARS = """
    SELECT CAST(tsn AS TEXT) AS source_id, vernacular_name AS name, language FROM vernaculars
"""
_BATCH = 100_000  # rows
_TABLES = ("taxonomic_units", "synonym_links", "taxon_authors_lkp", "taxon_unit_types")


def read(path: Path) -> tuple[pl.DataFrame, Path]:
    """The rows of the units of ITIS, for ``assemble``, without a ``line``: they have ids.

    Raises:
        InputError: the file is absent, is no SQLite database, or lacks a table.
    """
    table = find_table(path, PUBLISHED["itis"])
    no_parent = pl.col("parent_id").is_in(["0", ""])
    return _query(table, _NAMES, _TABLES).with_columns(
        line=pl.lit(None, dtype=pl.Int64), parent_id=pl.when(~no_parent).then("parent_id")
    ), table.shown


def read_vernaculars(path: Path) -> pl.DataFrame:
    """Columns source_id, name, language of the common names."""
    return _query(find_table(path, PUBLISHED["itis"]), _VERNACULARS, ("vernaculars",))


def _query(table: Table, query: str, tables: tuple[str, ...]) -> pl.DataFrame:
    file = table.shown
    try:
        with (
            _on_disk(table) as path,
            closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database,
        ):
            found = {row[0] for row in database.execute("SELECT name FROM sqlite_master")}
            missing = [table for table in tables if table not in found]
            if missing:
                raise InputError(f"{file}: no table {missing[0]!r}. Give ITIS's SQLite download.")
            database.text_factory = lambda text: text.decode("utf-8", errors="replace")
            columns = database.execute(f"SELECT * FROM ({query}) LIMIT 0").description
            schema = {column[0]: pl.String for column in columns}
            batches = pl.read_database(
                query, database, iter_batches=True, batch_size=_BATCH, schema_overrides=schema
            )
            return pl.concat([pl.DataFrame(schema=schema), *batches])
    except sqlite3.DatabaseError as error:
        raise InputError(f"{file}: {error}. Give ITIS's SQLite download.") from error


@contextmanager
def _on_disk(table: Table) -> Iterator[Path]:
    """SQLite reads no streams: a packed database is unpacked for the time of a query."""
    if not table.packed:
        yield table.path
        return
    with tempfile.NamedTemporaryFile(suffix=".sqlite") as file:
        with table.opened() as stream:
            shutil.copyfileobj(stream, file)
        file.flush()
        yield Path(file.name)
