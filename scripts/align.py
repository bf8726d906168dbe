"""Fit a linear map from a backbone to a CLIP, and write the aligned model."""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.config.alignment import AlignmentConfig
from nicheclip.runtime.devices import check_gpus
from nicheclip.runtime.job import job
from nicheclip.runtime.manifest import ManifestWriter
from nicheclip.training.align_job import AlignJob

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    gpus = snakemake.resources.gpu
    check_gpus(gpus)
    config = AlignmentConfig.model_validate(snakemake.params.alignment)
    settings = {**snakemake.params.alignment, "batch_size": snakemake.params.batch_size}
    manifest = Path(snakemake.output.manifest)
    writer = ManifestWriter("align", config=settings, code=snakemake.params.code)
    files, found = AlignJob(
        config=config,
        backbone=Path(snakemake.input.backbone[0]).parent if config.pretraining else None,
        clip=Path(snakemake.input.clip[0]).parent,
        text=Path(snakemake.input.text[0]).parent,
        images=Path(snakemake.input.images).parent,
        seed=int(snakemake.wildcards.seed),
        batch_size=snakemake.params.batch_size,
        device="cuda" if gpus else "cpu",
    ).run(manifest.parent)
    settings["map"] = found.figures()
    writer.write(manifest, outputs=files, counts={"images": found.images})
