"""All configured checklists, read into one table of names and one of common names."""

import logging
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from nicheclip.config.taxonomy import ProviderConfig, TaxonomyConfig
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.manifest import Tally
from nicheclip.schemas import VERNACULARS
from nicheclip.taxonomy.provider_files import PUBLISHED, vernacular_path
from nicheclip.taxonomy.providers import col, darwin_core, itis, labels, open_tree
from nicheclip.taxonomy.providers.checklist import Checklist, assemble
from nicheclip.taxonomy.published_table import common_tables, holds
from nicheclip.taxonomy.vernaculars import read_vernaculars

log = logging.getLogger(__name__)

_LAYOUTS = {
    "gbif": darwin_core.GBIF,
    "inaturalist": darwin_core.INATURALIST,
    "eol": darwin_core.EOL,
}
_READERS = {
    "itis": itis.read,
    "coldp": col.read_coldp,
    "open_tree": open_tree.read,
    "bioscan": labels.read_bioscan,
    "inat21": labels.read_inat21,
    "csv": labels.read_csv,
}


@dataclass(frozen=True)
class Checklists:
    """All providers' names (``TAXON_NAMES``) and common names (``VERNACULARS``)."""

    names: pl.DataFrame
    vernaculars: pl.DataFrame
    dropped: Tally
    noted: Tally


def read_provider(config: ProviderConfig) -> Checklist:
    """The names of one checklist.

    Raises:
        InputError: the file is absent, empty, or not of the provider's form; or no row is good.
    """
    if config.kind == "text_tree":
        rows, file = col.read_text_tree(config.path)
    elif config.kind in _LAYOUTS:
        rows, file = darwin_core.read(config.path, _LAYOUTS[config.kind])
    else:
        rows, file = _READERS[config.kind](config.path)
    checklist = assemble(rows, provider=config.name, file=file, kingdom=config.kingdom)
    if checklist.names.is_empty():
        reason, _ = next(iter(checklist.dropped.counts.most_common(1)), ("there is none", 0))
        raise InputError(f"{file}: no row can be used ({reason}). Check that `kind` fits the file.")
    for verb, tally in (("dropped", checklist.dropped), ("kept in doubt", checklist.noted)):
        for reason, count in tally.counts.most_common():
            log.info("%s: %d %s: %s", config.name, count, verb, reason)
    return checklist


def read_checklists(config: TaxonomyConfig) -> Checklists:
    """Every provider of ``config``, in its order."""
    lists = [read_provider(provider) for provider in config.providers]
    dropped, noted = Tally(), Tally()
    for one in lists:
        dropped.add(one.dropped)
        noted.add(one.noted)
    common = [
        table for provider in config.providers if (table := _common_names(provider)) is not None
    ]
    empty = pl.DataFrame(
        schema=dict.fromkeys(VERNACULARS.names[:4], pl.String) | {"preferred": pl.Boolean}
    )
    return Checklists(
        names=pl.concat([one.names for one in lists]),
        vernaculars=pl.concat([empty, *common]),
        dropped=dropped,
        noted=noted,
    )


def _common_names(config: ProviderConfig) -> pl.DataFrame | None:
    """The common names of one checklist, by the ids of its taxa; None where there are none."""
    path = vernacular_path(config)
    if path is None or (config.vernaculars is None and not _has_common(path)):
        return None
    common = read_vernaculars(path, config.name)
    if config.kind != "eol":
        return common
    pages = darwin_core.eol_pages(config.path).rename(
        {"source_id": "taxon", "page_id": "source_id"}
    )
    of_taxa = common.join(pages, on="source_id", how="left", maintain_order="left_right")
    taxon = pl.coalesce("taxon", "source_id")  # what is not a page is the id of a taxon
    return of_taxa.with_columns(source_id=taxon).select(VERNACULARS.names)


def _has_common(path: Path) -> bool:
    return bool(common_tables(path)) or holds(path, *PUBLISHED["itis"])
