"""Tables of any length resolved: each different lineage once, the rows by a streamed join.

python -m nicheclip.taxonomy.resolve_table rows.parquet --names names.parquet --output resolved
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import polars as pl
import pyarrow.parquet as pq

from nicheclip.config.taxonomy import TextPolicy, VernacularConfig
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import atomic_path, write_parquet, write_text
from nicheclip.schemas import RESOLUTIONS, TAXA, TAXON_NAMES, TEXTS, VERNACULARS, read_table
from nicheclip.taxonomy.newick import newick
from nicheclip.taxonomy.resolve import resolve
from nicheclip.taxonomy.texts import text_rows
from nicheclip.taxonomy.vernaculars import common_names
from nicheclip.terms import RANKS

#: taxa whose texts are made at once, which bounds memory
TAXA_AT_ONCE = 100_000
_ANSWERS = ("taxon_id", "resolution")


def resolve_table(
    rows: Path,
    names: pl.DataFrame,
    *,
    providers: Sequence[str],
    output: Path,
    keep: Sequence[str] | None = None,
    common: pl.DataFrame | None = None,
    higher_rank_fallback: bool = True,
) -> pl.DataFrame:
    """Write ``keep``, taxon_id and resolution of every row; return the lineages' resolutions.

    Rows keep their order. Memory holds the different lineages and the names that they match, not
    the rows.

    Args:
        rows: a Parquet file with columns ``RANKS`` and ``keep``.
        names: schema ``TAXON_NAMES``.
        providers: best first.
        output: the Parquet file to write.
        keep: columns to take over, such as an image's id; by default all but the ranks.
        common: of ``vernaculars.common_names``.
        higher_rank_fallback: as in ``resolve``.

    Raises:
        InputError: the file is no Parquet file, or a column is absent or has the name of one that
            is written.
    """
    table = pl.scan_parquet(rows)
    try:
        present = table.collect_schema().names()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{rows}: expected a Parquet file ({error}).") from error
    keep = [name for name in present if name not in RANKS] if keep is None else keep
    absent = [name for name in (*RANKS, *keep) if name not in present]
    if absent:
        raise InputError(f"{rows}: no column {absent[0]!r}; expected {[*RANKS, *keep]}.")
    taken = [name for name in _ANSWERS if name in keep]
    if taken:
        raise InputError(
            f"{rows}: has a column {taken[0]!r}, which is what this writes. Rename it, or keep "
            "other columns."
        )
    table = table.select(*keep, pl.col(RANKS).fill_null(""))
    lineages = table.select(RANKS).unique().collect(engine="streaming").sort(RANKS)
    resolutions = resolve(
        lineages,
        names,
        providers=providers,
        common=common,
        higher_rank_fallback=higher_rank_fallback,
    )
    found = resolutions.select(*(pl.col(f"given_{rank}").alias(rank) for rank in RANKS), *_ANSWERS)
    joined = table.join(found.lazy(), on=list(RANKS), how="left", maintain_order="left")
    with atomic_path(output) as temporary:
        joined.select(*keep, *_ANSWERS).sink_parquet(temporary)
    return resolutions


def taxa_of(resolutions: pl.DataFrame) -> pl.DataFrame:
    """The different taxa of resolutions, each with its best one; schema ``RESOLUTIONS``."""
    order = ["exact", "homonym-by-context", "synonym", "higher-rank", "unresolved"]
    known = resolutions.filter(pl.col("taxon_id").is_not_null())
    best = known.with_columns(
        place=pl.col("resolution").replace_strict({name: i for i, name in enumerate(order)})
    )
    taxa = best.sort("place", maintain_order=True).unique(
        "taxon_id", keep="first", maintain_order=True
    )
    return taxa.sort(RANKS).select(RESOLUTIONS.names)


def write_texts(taxa: pl.DataFrame, output: Path, *, policy: TextPolicy = "finest_known") -> None:
    """The seven text types of each taxon, schema ``TEXTS``, into a Parquet file.

    Args:
        taxa: of ``taxa_of``; their ids stand for the classes'.
        output: the file.
        policy: ``as_published`` makes BioCLIP's texts with their defects; where no checklist has
            the name, of the taxon's first lineage as it was given.
    """
    taxa = taxa.with_columns(class_id="taxon_id", display=pl.lit(""))
    with (
        atomic_path(output) as temporary,
        pq.ParquetWriter(temporary, TEXTS, compression="zstd") as writer,
    ):
        for part in taxa.iter_slices(TAXA_AT_ONCE):
            writer.write_table(text_rows(part, policy=policy).to_arrow().cast(TEXTS))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 2 for input that cannot be used."""
    parser = argparse.ArgumentParser(
        prog="python -m nicheclip.taxonomy.resolve_table",
        description="Resolve the lineages of a table; write its rows' taxa, texts and tree.",
    )
    parser.add_argument("rows", type=Path, help="Parquet with the seven ranks as columns")
    parser.add_argument("--names", type=Path, required=True, help="names.parquet of checklists")
    parser.add_argument("--vernaculars", type=Path, help="vernaculars.parquet of checklists")
    parser.add_argument("--providers", nargs="*", default=[], help="best first")
    parser.add_argument("--keep", nargs="*", help="columns to take over; all but the ranks")
    parser.add_argument(
        "--policy",
        choices=get_args(TextPolicy),
        default="finest_known",
        help="of the texts: as_published has BioCLIP's defects",
    )
    parser.add_argument("--output", type=Path, required=True, help="folder of the tables")
    try:
        _resolve_into(parser.parse_args(arguments))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _resolve_into(options: argparse.Namespace) -> None:
    names = pl.DataFrame(read_table(options.names, TAXON_NAMES))
    found = sorted(names["provider"].unique().to_list())
    providers = list(dict.fromkeys([*options.providers, *found]))
    common = None
    if options.vernaculars:
        vernaculars = pl.DataFrame(read_table(options.vernaculars, VERNACULARS))
        common = common_names(vernaculars, names, VernacularConfig(), providers)
    folder: Path = options.output
    resolutions = resolve_table(
        options.rows,
        names,
        providers=providers,
        keep=options.keep,
        output=folder / "rows.parquet",
        common=common,
    )
    taxa = taxa_of(resolutions)
    write_parquet(folder / "resolutions.parquet", resolutions.to_arrow().cast(RESOLUTIONS))
    write_parquet(folder / "taxa.parquet", taxa.select(TAXA.names).to_arrow().cast(TAXA))
    write_texts(taxa, folder / "texts.parquet", policy=options.policy)
    write_text(folder / "tree.nwk", newick(taxa.iter_rows(named=True)) + "\n")
    counts = resolutions["resolution"].value_counts().sort("resolution")
    print(f"{len(resolutions)} lineages, {len(taxa)} taxa; written to {folder}")
    for resolution, count in counts.iter_rows():
        print(f"  {resolution}: {count}")


if __name__ == "__main__":
    sys.exit(main())
