"""Small checklists for tests: written as providers write them, and read."""

from nicheclip.config.taxonomy import ProviderConfig
from nicheclip.schemas import TAXON_NAMES
from nicheclip.taxonomy.ingest import read_provider
from nicheclip.terms import RANKS

CAT = ("Animalia", "Chordata", "Mammalia", "Carnivora", "Felidae", "Felis", "catus")


def write(path, rows, separator="\t"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(separator.join(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read(kind, path, **options):
    checklist = read_provider(ProviderConfig(name=kind, kind=kind, path=path, **options))
    assert checklist.names.to_arrow().schema.names == TAXON_NAMES.names
    return checklist


def by_name(checklist):
    return {row["canonical"]: row for row in checklist.names.to_dicts()}


def ranks(row):
    return tuple(row[rank] for rank in RANKS)


GBIF_HEADER = (
    "taxonID", "datasetID", "parentNameUsageID", "acceptedNameUsageID", "scientificName",
    "scientificNameAuthorship", "canonicalName", "taxonRank", "taxonomicStatus",
    *RANKS[:6],
)  # fmt: skip


def gbif_row(identifier, name, canonical, rank, status, higher, parent="", accepted=""):
    return (identifier, "d", parent, accepted, name, "", canonical, rank, status, *higher)


def gbif(tmp_path, *rows):
    return write(tmp_path / "backbone" / "Taxon.tsv", [GBIF_HEADER, *rows]).parent


def coldp(tmp_path, *rows):
    header = ("ID", "parentID", "status", "rank", "scientificName")
    return write(tmp_path / "NameUsage.tsv", [header, *rows]).parent
