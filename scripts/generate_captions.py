"""Generate a caption set: ask the backend, judge the replies, share them out over the splits."""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.captions.generate import generate
from nicheclip.config.captions import CaptionConfig
from nicheclip.runtime.credentials import restored
from nicheclip.runtime.files import write_parquet
from nicheclip.runtime.job import job
from nicheclip.runtime.manifest import ManifestWriter
from nicheclip.schemas import CATALOG, CLASSES, read_table

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    params = snakemake.params
    manifest = ManifestWriter("captions", config=params.config, code=params.code)
    captions = generate(
        CaptionConfig.model_validate(restored(params.config)),
        classes=read_table(snakemake.input.classes, CLASSES),
        catalog=read_table(snakemake.input.catalog, CATALOG),
        images=list(dict.fromkeys(Path(file).parent for file in snakemake.input.splits)),
        prompts=Path(params.prompts),
        cache=Path(params.cache),
        seed=params.seed,
    )
    write_parquet(snakemake.output.captions, captions.table)
    manifest.write(
        snakemake.output.manifest,
        outputs=[Path(snakemake.output.captions)],
        counts=captions.counts,
        dropped=captions.dropped,
    )
