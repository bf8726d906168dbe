"""Curate a data set: its catalog, classes and splits."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from nicheclip.config.data import SplitConfig
from nicheclip.config.leakage import LeakageConfig
from nicheclip.data.acquire import PartFiles
from nicheclip.data.acquired_rows import AcquiredPart
from nicheclip.data.curate import curate
from nicheclip.data.leakage import Apart, JudgedData
from nicheclip.runtime.job import job
from nicheclip.runtime.manifest import ManifestWriter
from nicheclip.schemas import TAXON_NAMES, read_table
from nicheclip.taxonomy.same_species import species_names

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    params, output = snakemake.params, snakemake.output
    manifest = ManifestWriter(
        "curate", config={**params.split, "leakage": params.leakage}, code=params.code
    )
    folder = Path(output.catalog).parent
    parts = [
        AcquiredPart.of(PartFiles.of(Path(rows).parent, part=number, tars=params.tars), folder)
        for number, rows in enumerate(snakemake.input.rows)
    ]
    apart = None
    if params.leakage is not None:
        files = zip(snakemake.input.judged, snakemake.input.judged_classes, strict=True)
        names = [pl.DataFrame(read_table(path, TAXON_NAMES)) for path in snakemake.input.names]
        apart = Apart(
            LeakageConfig.model_validate(params.leakage["config"]),
            [JudgedData(Path(catalog), Path(classes)) for catalog, classes in files],
            partial(
                species_names,
                names=next(iter(names), None),
                providers=params.leakage["providers"],
            ),
        )
    report = curate(
        snakemake.wildcards.dataset,
        SplitConfig.model_validate(params.split),
        seed=params.seed,
        parts=parts,
        folder=folder,
        expected=params.expected,
        unlabelled=params.unlabelled,
        apart=apart,
    )
    manifest.write(
        output.manifest,
        outputs=[Path(o) for o in (output.catalog, output.classes, *output.images, *output.labels)],
        counts=report.counts,
        dropped=report.dropped,
        noted=report.noted,
    )
