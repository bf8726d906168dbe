"""Acquire a data set: a catalog of its images and their encoded bytes."""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.config.data import DatasetConfig
from nicheclip.data.acquire import acquire
from nicheclip.runtime.job import job
from nicheclip.runtime.manifest import ManifestWriter

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main() -> None:
    """Acquire what the job names."""
    manifest = ManifestWriter("acquire", config=snakemake.params.config, code=snakemake.params.code)
    config = DatasetConfig.model_validate(snakemake.params.config)
    output = snakemake.output
    images = [Path(output.images) / f"{part:05d}.parquet" for part in range(config.shards)]
    report = acquire(
        snakemake.wildcards.dataset,
        config,
        seed=snakemake.params.seed,
        registry=Path(snakemake.params.registry),
        catalog=Path(output.catalog),
        classes=Path(output.classes),
        images=images,
        workers=snakemake.threads,
    )
    manifest.write(
        output.manifest,
        outputs=[Path(output.catalog), Path(output.classes), *images],
        counts=report.counts,
        dropped=report.dropped,
    )


if __name__ == "__main__":  # worker processes import this file again
    with job(snakemake.log[0]):
        main()
