"""All configured checklists, read into one table of names and one of common names."""

import logging
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from nicheclip.config.taxonomy import ProviderConfig, TaxonomyConfig
from nicheclip.errors import InputError
from nicheclip.manifest import Tally
from nicheclip.tables import VERNACULARS
from nicheclip.taxonomy.providers import col, darwin_core, itis, labels, open_tree
from nicheclip.taxonomy.providers.checklist import Checklist, assemble
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
        read_vernaculars(path, provider.name)
        for provider in config.providers
        if (path := _vernacular_path(provider)) is not None
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


def _vernacular_path(config: ProviderConfig) -> Path | None:
    """What the config names, or a file beside the checklist under its published name."""
    if config.vernaculars is not None:
        return config.vernaculars
    folder = config.path if config.path.is_dir() else config.path.parent
    names = {
        "gbif": "VernacularName.tsv",
        "coldp": "VernacularName.tsv",
        "inaturalist": "VernacularNames-*.csv",
        "itis": "ITIS.sqlite",
    }
    pattern = names.get(config.kind)
    return folder if pattern and any(folder.glob(pattern)) else None
