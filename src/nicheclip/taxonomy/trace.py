"""How a name is resolved, step by step.

python -m nicheclip.taxonomy.trace "Laelia rosea" --names names.parquet --kingdom Plantae
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from nicheclip.runtime.errors import InputError
from nicheclip.schemas import TAXON_NAMES, read_table
from nicheclip.taxonomy.lineages import clean_lineages
from nicheclip.taxonomy.parsed_name import ParsedName, parse_name
from nicheclip.taxonomy.resolve import resolve
from nicheclip.terms import RANKS


def trace(
    name: str, names: pl.DataFrame, *, ranks: dict[str, str], providers: Sequence[str]
) -> str:
    """What ``name`` is read as, which names of the checklists it meets, and what is decided.

    Args:
        name: a species, or a name above it; unless ``ranks`` says of which rank, each at which the
            checklists have the name is tried.
        names: schema ``TAXON_NAMES``.
        ranks: what else is known of the taxon, by rank.
        providers: best first.
    """
    parsed = parse_name(name)
    candidates = names.filter(pl.col("canonical") == (parsed.canonical or name))
    lines = [
        f"parsed     {parsed.kind}: {parsed.canonical or '-'}"
        + (f", author {parsed.authorship}" if parsed.authorship else "")
        + (f", qualifier {parsed.qualifier}" if parsed.qualifier else "")
        + (f", not explained {parsed.tail!r}" if parsed.tail else ""),
    ]
    lines += [
        f"candidate  {row['provider']} {row['source_id']}: {row['name']} [{row['rank']}] "
        f"{row['status']} -> {_shown(row)}"
        for row in candidates.sort("provider", "source_id").iter_rows(named=True)
    ] or ["candidate  none"]
    for rank in _possible_ranks(name, parsed, ranks, candidates):
        lines += _decision(ranks | {rank: name}, names, providers)
    return "\n".join(lines)


def _possible_ranks(
    name: str, parsed: ParsedName, ranks: dict[str, str], candidates: pl.DataFrame
) -> list[str]:
    if name in ranks.values():
        return [rank for rank in ranks if ranks[rank] == name]
    if parsed.epithets:
        return ["species"]
    known = set(candidates["rank"])
    return [rank for rank in RANKS if rank in known] or ["genus"]


def _decision(ranks: dict[str, str], names: pl.DataFrame, providers: Sequence[str]) -> list[str]:
    given = pl.DataFrame([dict.fromkeys(RANKS, "") | ranks])
    row = resolve(given, names, providers=providers).row(0, named=True)
    lines = [
        f"given      {_shown(ranks)}",
        f"cleaned    {_shown(clean_lineages(given).row(0, named=True))}",
        f"resolved   {row['resolution']}: {_shown(row)}",
    ]
    if row["matched"]:
        lines.append(f"through    {row['provider']} {row['source_id']} ({row['matched']})")
    return lines + [f"{key:<10} {row[key]}" for key in ("changed", "reason") if row[key]]


def _shown(row: Mapping[str, str]) -> str:
    return ", ".join(f"{rank} {row[rank]}" for rank in RANKS if row.get(rank)) or "nothing"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 2 for input that cannot be used."""
    parser = argparse.ArgumentParser(
        prog="python -m nicheclip.taxonomy.trace", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("name")
    parser.add_argument("--names", type=Path, required=True, help="names.parquet of the taxonomy")
    parser.add_argument("--providers", nargs="*", default=[], help="best first")
    for rank in RANKS[:6]:
        parser.add_argument(f"--{rank}", default="", help="of the name, where known")
    options = vars(parser.parse_args(arguments))
    try:
        names = pl.DataFrame(pl.from_arrow(read_table(options["names"], TAXON_NAMES)))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    ranks = {rank: options[rank] for rank in RANKS[:6] if options[rank]}
    found = sorted(names["provider"].unique().to_list())
    providers = [*options["providers"], *found]
    print(trace(options["name"], names, ranks=ranks, providers=list(dict.fromkeys(providers))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
