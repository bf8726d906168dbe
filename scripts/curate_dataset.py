"""Curate a data set: its catalog, classes and splits."""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.config.data import SplitConfig
from nicheclip.data.acquire import PartFiles
from nicheclip.data.acquired_rows import AcquiredPart
from nicheclip.data.curate import curate
from nicheclip.runtime.job import job
from nicheclip.runtime.manifest import ManifestWriter

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    params, output = snakemake.params, snakemake.output
    manifest = ManifestWriter("curate", config=params.split, code=params.code)
    folder = Path(output.catalog).parent
    parts = [
        AcquiredPart.of(PartFiles.of(Path(rows).parent, part=number, tars=params.tars), folder)
        for number, rows in enumerate(snakemake.input.rows)
    ]
    report = curate(
        snakemake.wildcards.dataset,
        SplitConfig.model_validate(params.split),
        seed=params.seed,
        parts=parts,
        folder=folder,
        expected=params.expected,
        unlabelled=params.unlabelled,
    )
    manifest.write(
        output.manifest,
        outputs=[Path(o) for o in (output.catalog, output.classes, *output.images, *output.labels)],
        counts=report.counts,
        dropped=report.dropped,
        noted=report.noted,
    )
