"""A small checklist, and lineages that are resolved by it."""

from pathlib import Path

import polars as pl

from nicheclip.schemas import RESOLUTIONS
from nicheclip.taxonomy.providers.checklist import assemble
from nicheclip.taxonomy.resolve import resolve
from nicheclip.terms import RANKS

MOTH = ("Animalia", "Arthropoda", "Insecta", "Lepidoptera", "Erebidae")
ORCHID = ("Plantae", "Tracheophyta", "Liliopsida", "Asparagales", "Orchidaceae")
HOMINID = ("Animalia", "Chordata", "Mammalia", "Primates", "Hominidae")


def checklist(*rows, provider="gbif"):
    """Rows (name, rank, the names above, accepted id or None); ids count from 1."""
    made = [
        {"line": i, "source_id": str(i), "name": name, "rank": rank, "accepted_id": accepted}
        | dict(zip(RANKS, above, strict=False))
        for i, (name, rank, above, accepted) in enumerate(rows, start=1)
    ]
    columns = dict.fromkeys(("source_id", "name", "rank", "accepted_id", *RANKS[:6]), pl.String) | {
        "line": pl.Int64
    }
    return assemble(pl.DataFrame(made, schema=columns), provider=provider, file=Path("f")).names


NAMES = checklist(
    ("Laelia rosea", "species", MOTH, None),
    ("Laelia rosea", "species", ORCHID, None),
    ("Homo", "genus", (*HOMINID, "Homo"), None),
    ("Homo sapiens Linnaeus, 1758", "species", HOMINID, None),
    ("Homo erectus", "species", HOMINID, None),
    ("Pithecanthropus erectus", "species", ("Animalia",), "5"),
    ("Pithecanthropus", "genus", ("Animalia",), "3"),
    ("Hominidae", "family", HOMINID, None),
    ("Carnivora", "order", HOMINID[:3], None),
    ("Carnivora", "genus", ("Animalia", "", "", "", "", "Carnivora"), None),
)


def lineage(**names):
    return tuple(names.get(rank, "") for rank in RANKS)


def resolved(*lineages, names=NAMES, providers=("gbif",), **options):
    frame = pl.DataFrame(lineages, schema=list(RANKS), orient="row")
    table = resolve(frame, names, providers=list(providers), **options)
    assert table.columns == RESOLUTIONS.names
    return table.to_dicts()
