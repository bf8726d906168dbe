"""Adapt a model to tasks without labels, by one method that trains or by all others."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.adaptation.entries import Entry, Where
from nicheclip.adaptation.job import adapt
from nicheclip.config.workflow import parse_config
from nicheclip.engine.launch import stop_time
from nicheclip.runtime.devices import check_gpus
from nicheclip.runtime.job import job
from nicheclip.runtime.manifest import ManifestWriter

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

started = time.time()
with job(snakemake.log[0], alone=False):  # training asks an earlier process to stop
    methods = list(snakemake.params.methods)
    entries = [Entry.model_validate(one) for one in methods]
    # `compute` is no param: see adapt.smk
    compute = parse_config(snakemake.config).adaptation[entries[0].name].compute
    check_gpus(compute.gpus)
    manifest = Path(snakemake.output.manifest)
    writer = ManifestWriter("adapt", config={"methods": methods}, code=snakemake.params.code)
    files, kept = adapt(
        entries,
        Where(
            start=Path(snakemake.input.start[0]).parent,
            tasks={Path(file).parent.name: Path(file).parent for file in snakemake.input.texts},
            models=manifest.parents[1],
            run_folder=manifest.parent / "run",
            log=Path(snakemake.log[0]),
            compute=compute,
            code=snakemake.params.code,
            stop_at=stop_time(started, compute),
            backbones={
                Path(file).parents[1].name: Path(file).parent for file in snakemake.input.backbones
            },
        ),
    )
    writer.write(manifest, outputs=files, counts={"files": len(files), "kept": kept})
