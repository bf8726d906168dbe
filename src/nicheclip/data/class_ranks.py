"""The taxon that each class of a data set belongs to, at each rank."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from nicheclip.runtime.errors import InputError
from nicheclip.schemas import TAXA, TEXTS, read_table
from nicheclip.terms import RANKS

#: in a data set's folder of taxonomy
TAXA_FILE, TEXTS_FILE = "taxa.parquet", "texts.parquet"

#: a taxon's key; None where the class has no name at the rank
Taxon = tuple[str, ...] | None


def class_ranks(folder: Path, class_ids: Sequence[str]) -> dict[str, list[Taxon]]:
    """By rank the taxon of each class, in the order of ``class_ids``.

    A taxon is known by kingdom and name, since names repeat in different kingdoms; a species by
    kingdom, genus and epithet.

    Args:
        folder: of the data set's taxonomy.
        class_ids: of the data set.

    Raises:
        InputError: a file is absent or damaged, or no class has a name at any rank.
    """
    taxa = pl.DataFrame(read_table(folder / TAXA_FILE, TAXA)).select("taxon_id", *RANKS)
    texts = pl.DataFrame(read_table(folder / TEXTS_FILE, TEXTS))
    of_class = texts.select("class_id", "taxon_id").unique().join(taxa, on="taxon_id")
    known = {row["class_id"]: row for row in of_class.iter_rows(named=True)}
    if not known.keys() & set(class_ids):
        raise InputError(
            f"{folder / TEXTS_FILE}: no class has a taxon, so there are no ranks to train by. "
            "Give the source ranks, or choose the recipe classification, which needs none."
        )
    return {rank: [_taxon(known.get(one), rank) for one in class_ids] for rank in RANKS}


def _taxon(row: dict[str, str | None] | None, rank: str) -> Taxon:
    if row is None or not row[rank]:
        return None
    names = ("kingdom", "genus", "species") if rank == "species" else ("kingdom", rank)
    if rank == "species" and not row["genus"]:
        return None
    return tuple(row[name] or "" for name in names)
