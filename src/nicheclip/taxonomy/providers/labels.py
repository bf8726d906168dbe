"""Labels that carry lineages: BIOSCAN's table, iNat21's class folders, a plain CSV of ranks."""

import re
from pathlib import Path

import polars as pl

from nicheclip.runtime.errors import InputError
from nicheclip.taxonomy.providers.cells import is_unknown, rank_fault
from nicheclip.taxonomy.providers.delimited import scan
from nicheclip.taxonomy.published_table import only_table
from nicheclip.terms import RANKS

#: in an archive
_TABLES = ("*.csv", "*.tsv", "*.tab", "*.txt")
_INAT21 = re.compile(r"\d{5}((?:_[^_]*){7})")
_BIOSCAN_ABOVE = {"kingdom": "Animalia", "phylum": "Arthropoda", "class": "Insecta"}


def read_bioscan(path: Path) -> tuple[pl.DataFrame, Path]:
    """The lineages of BIOSCAN's metadata; kingdom, phylum and class are those of all its insects.

    The barcode index number stands for the species where there is no name of one.

    Raises:
        InputError: the file or a needed column is absent.
    """
    columns: dict[str, tuple[str, ...]] = {rank: (rank,) for rank in RANKS}
    columns["bin"] = ("uri", "dna_bin", "bin_uri")
    lower = ("order", "family", "genus", "species")
    table = only_table(path, _TABLES)
    separator = "," if table.suffix == ".csv" else "\t"
    frame = scan(table, columns, needed=lower, separator=separator, quoted=separator == ",")
    present = frame.collect_schema().names()
    known = pl.col(present[1:]).str.strip_chars()
    frame = frame.with_columns(pl.when(~is_unknown(known)).then(known).name.keep())
    frame = frame.with_columns(
        (pl.col(rank).fill_null(name) if rank in present else pl.lit(name)).alias(rank)
        for rank, name in _BIOSCAN_ABOVE.items()
    )
    if "bin" in present:
        labelled = pl.format("sp. {}", "bin")
        frame = frame.with_columns(
            species=pl.when(pl.col("genus").is_null())
            .then("species")
            .otherwise(pl.coalesce("species", labelled))
        )
    return _taxa(frame.select("line", *RANKS)), table.shown


def read_inat21(path: Path) -> tuple[pl.DataFrame, Path]:
    """The lineages of class folders ``NNNNN_Kingdom_Phylum_Class_Order_Family_Genus_species``.

    Args:
        path: the folder that holds the class folders, or a text file of their names.

    Raises:
        InputError: a name is not of this form.
    """
    if path.is_dir():
        folders = sorted(item.name for item in path.iterdir() if item.is_dir())
    elif path.is_file():
        folders = path.read_text(encoding="utf-8", errors="replace").splitlines()
    else:
        raise InputError(f"{path}: expected a folder of class folders or a list of their names.")
    rows = []
    for number, folder in enumerate(folders, start=1):
        if not folder.strip():
            continue
        found = _INAT21.fullmatch(folder.strip())
        if not found:
            raise InputError(
                f"{path}, line {number}: {folder[:80]!r}; expected "
                "'NNNNN_Kingdom_Phylum_Class_Order_Family_Genus_species'. Give iNat21's folder."
            )
        rows.append((number, *found[1][1:].split("_")))
    schema = {"line": pl.Int64} | dict.fromkeys(RANKS, pl.String)
    return _taxa(pl.DataFrame(rows, schema=schema, orient="row").lazy()), path


def read_csv(path: Path) -> tuple[pl.DataFrame, Path]:
    """The lineages of a CSV (or, by its suffix, TSV) with columns named as the ranks.

    Raises:
        InputError: the file is absent or empty, or has neither genus nor family nor species.
    """
    table = only_table(path, _TABLES)
    separator = "\t" if table.suffix in (".tsv", ".tab", ".txt") else ","
    columns: dict[str, tuple[str, ...]] = {rank: (rank, rank.capitalize()) for rank in RANKS}
    columns["finest"] = ("species", "Species", "genus", "Genus", "family", "Family")
    frame = scan(table, columns, needed=("finest",), separator=separator, quoted=True)
    present = frame.collect_schema().names()
    absent = [rank for rank in RANKS if rank not in present]
    frame = frame.with_columns(pl.lit(None, dtype=pl.String).alias(rank) for rank in absent)
    return _taxa(frame.select("line", *RANKS)), table.shown


def _taxa(lineages: pl.LazyFrame) -> pl.DataFrame:
    """A row for each different taxon at each rank, for ``assemble``, and for each bad cell."""
    texts = pl.col(RANKS).str.strip_chars().fill_null("")
    given = lineages.with_columns(texts).unique(RANKS, keep="first", maintain_order=True)
    bad = [
        given.select("line", name=rank, left_out=rank_fault(pl.col(rank)))
        .filter(pl.col("left_out").is_not_null())
        .unique("name", keep="first", maintain_order=True)
        for rank in RANKS
    ]
    names = pl.when(rank_fault(pl.col(RANKS)).is_null() & ~is_unknown(pl.col(RANKS)))
    rows = given.with_columns(names.then(pl.col(RANKS)).otherwise(pl.lit("")).name.keep())
    cut = [
        rows.filter(pl.col(rank) != "")
        .with_columns(pl.lit("").alias(lower) for lower in RANKS[level + 1 :])
        .unique(RANKS[: level + 1], keep="first", maintain_order=True)
        .with_columns(rank=pl.lit(rank), name=_own_name(rank))
        for level, rank in enumerate(RANKS)
    ]
    identifier = pl.concat_str(RANKS, separator="|").str.strip_chars_end("|")
    taxa = pl.concat(cut).with_columns(source_id=identifier)
    return pl.concat([taxa, *bad], how="diagonal").collect(engine="streaming")


def _own_name(rank: str) -> pl.Expr:
    if rank != "species":
        return pl.col(rank)
    genus, species = pl.col("genus"), pl.col("species")
    full = species.str.to_lowercase().str.starts_with(genus.str.to_lowercase() + pl.lit(" "))
    return pl.when((genus == "") | full).then(species).otherwise(genus + pl.lit(" ") + species)
