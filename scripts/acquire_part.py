"""Acquire a part of a data set: its encoded images and a row for each."""

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from nicheclip.config.data import ImageConfig
from nicheclip.config.sources import Source
from nicheclip.data.acquire import PartFiles, acquire
from nicheclip.data.sources.base import Part
from nicheclip.data.sources.open import open_source
from nicheclip.runtime.credentials import restored
from nicheclip.runtime.job import job
from nicheclip.runtime.manifest import ManifestWriter

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main() -> None:
    """Acquire what the job names."""
    params, dataset, part = snakemake.params, snakemake.wildcards.dataset, snakemake.wildcards.part
    config, parts = params.config, params.config["parts"]
    manifest = ManifestWriter("acquire", config=config, code=params.code)
    folder = Path(snakemake.output.rows).parent
    files = PartFiles.of(folder, part=int(part), tars=config["shards"] // parts)
    source: Source = TypeAdapter(Source).validate_python(restored(config["source"]))
    items = open_source(
        dataset,
        source,
        registry=Path(params.registry),
        seed=params.seed,
        workers=snakemake.threads,
        part=Part(int(part), parts),
        names=config["names"],
    )
    image = ImageConfig.model_validate(config["image"])
    counts = acquire(dataset, items, image=image, files=files, workers=snakemake.threads)
    outputs = [files.rows, files.dropped, *files.tars]
    manifest.write(snakemake.output.manifest, outputs=outputs, counts=counts)


if __name__ == "__main__":  # worker processes import this file again
    with job(snakemake.log[0]):
        main()
