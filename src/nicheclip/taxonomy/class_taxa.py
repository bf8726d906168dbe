"""The lineages of a data set's classes, resolved against the configured checklists."""

from pathlib import Path

import polars as pl
import pyarrow as pa

from nicheclip.config.taxonomy import TaxonomyConfig
from nicheclip.schemas import RESOLUTIONS, TAXON_NAMES, VERNACULARS, read_table
from nicheclip.taxonomy.resolve import resolve
from nicheclip.taxonomy.vernaculars import common_names
from nicheclip.terms import RANKS


def resolve_classes(
    classes: pa.Table,
    config: TaxonomyConfig,
    *,
    names: Path | str | None,
    vernaculars: Path | str | None,
) -> pa.Table:
    """How each different lineage of ``classes`` is resolved (schema ``RESOLUTIONS``).

    Args:
        classes: schema ``CLASSES``.
        config: providers and their order; without any, no lineage is resolved.
        names: file of schema ``TAXON_NAMES``; needed when there are providers.
        vernaculars: file of schema ``VERNACULARS``; likewise.
    """
    if not config.providers or names is None or vernaculars is None:
        return RESOLUTIONS.empty_table()
    table = pl.DataFrame(read_table(names, TAXON_NAMES))
    providers = [provider.name for provider in config.providers]
    common = common_names(
        pl.DataFrame(read_table(vernaculars, VERNACULARS)), table, config.vernaculars, providers
    )
    lineages = pl.DataFrame(classes).select(pl.col(rank).fill_null("") for rank in RANKS)
    resolved = resolve(
        lineages.unique(maintain_order=True),
        table,
        providers=providers,
        common=common,
        higher_rank_fallback=config.higher_rank_fallback,
    )
    return resolved.to_arrow().cast(RESOLUTIONS)
