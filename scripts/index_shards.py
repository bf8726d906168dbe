"""Join the indexes of a data set's shards and write their manifest."""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.data.shards import join_indexes
from nicheclip.runtime.job import job
from nicheclip.runtime.manifest import ManifestWriter

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    manifest = ManifestWriter(
        "shards", config={"shards": snakemake.params.parts}, code=snakemake.params.code
    )
    counts = join_indexes(Path(snakemake.params.folder), snakemake.params.parts)
    files = [*snakemake.input.shards, *snakemake.output.indexes]
    manifest.write(snakemake.output.manifest, outputs=[Path(f) for f in files], counts=counts)
