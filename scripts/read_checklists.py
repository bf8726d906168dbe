"""Read the checklists that names are resolved against into one table."""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.config.taxonomy import TaxonomyConfig
from nicheclip.runtime.files import write_parquet
from nicheclip.runtime.job import job
from nicheclip.runtime.manifest import ManifestWriter
from nicheclip.schemas import TAXON_NAMES, VERNACULARS
from nicheclip.taxonomy.ingest import read_checklists

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    manifest = ManifestWriter(
        "checklists", config=snakemake.params.config, code=snakemake.params.code
    )
    output = snakemake.output
    lists = read_checklists(TaxonomyConfig.model_validate(snakemake.params.config))
    write_parquet(output.names, lists.names.to_arrow().cast(TAXON_NAMES))
    write_parquet(output.vernaculars, lists.vernaculars.to_arrow().cast(VERNACULARS))
    manifest.write(
        output.manifest,
        outputs=[Path(output.names), Path(output.vernaculars)],
        counts={"names": len(lists.names), "vernaculars": len(lists.vernaculars)},
        dropped=lists.dropped,
        noted=lists.noted,
    )
