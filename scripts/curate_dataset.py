"""Curate a data set: its catalog and classes."""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.config.data import SplitConfig
from nicheclip.data.curate import curate
from nicheclip.runtime.job import job
from nicheclip.runtime.manifest import ManifestWriter

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    params, output = snakemake.params, snakemake.output
    manifest = ManifestWriter("curate", config=params.split, code=params.code)
    report = curate(
        snakemake.wildcards.dataset,
        SplitConfig.model_validate(params.split),
        seed=params.seed,
        rows=Path(snakemake.input.rows),
        dropped=Path(snakemake.input.dropped),
        catalog=Path(output.catalog),
        classes=Path(output.classes),
    )
    manifest.write(
        output.manifest,
        outputs=[Path(output.catalog), Path(output.classes)],
        counts=report.counts,
        dropped=report.dropped,
    )
