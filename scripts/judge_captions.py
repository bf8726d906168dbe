"""Make a caption set from replies: the gates, the splits. No server is asked."""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.captions.caption_set import make_caption_set
from nicheclip.config.captions import CaptionConfig
from nicheclip.runtime.credentials import restored
from nicheclip.runtime.job import job
from nicheclip.runtime.manifest import ManifestWriter
from nicheclip.schemas import CATALOG, CLASSES, read_table

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    params = snakemake.params
    manifest = ManifestWriter("captions", config=params.config, code=params.code)
    captions = make_caption_set(
        CaptionConfig.model_validate(restored(params.config)),
        classes=read_table(snakemake.input.classes, CLASSES),
        catalog=read_table(snakemake.input.catalog, CATALOG),
        replies=[Path(file) for file in snakemake.input.replies],
        prompts=Path(params.prompts),
        seed=params.seed,
        target=Path(snakemake.output.captions),
        forbidden=[read_table(file, CLASSES) for file in snakemake.input.forbidden],
    )
    manifest.write(
        snakemake.output.manifest,
        outputs=[Path(snakemake.output.captions)],
        counts=captions.counts,
        dropped=captions.dropped,
    )
