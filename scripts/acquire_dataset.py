"""Acquire a data set: its encoded images and a row for each."""

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from nicheclip.config.data import ImageConfig, Source
from nicheclip.data.acquire import acquire
from nicheclip.runtime.job import job
from nicheclip.runtime.manifest import ManifestWriter

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main() -> None:
    """Acquire what the job names."""
    params, output = snakemake.params, snakemake.output
    manifest = ManifestWriter("acquire", config=params.config, code=params.code)
    rows, dropped = Path(output.rows), Path(output.dropped)
    images = [
        Path(output.images) / f"{part:05d}.parquet" for part in range(params.config["shards"])
    ]
    source: Source = TypeAdapter(Source).validate_python(params.config["source"])
    counts = acquire(
        snakemake.wildcards.dataset,
        source,
        image=ImageConfig.model_validate(params.config["image"]),
        seed=params.seed,
        registry=Path(params.registry),
        rows=rows,
        dropped=dropped,
        images=images,
        workers=snakemake.threads,
    )
    manifest.write(output.manifest, outputs=[rows, dropped, *images], counts=counts)


if __name__ == "__main__":  # worker processes import this file again
    with job(snakemake.log[0]):
        main()
