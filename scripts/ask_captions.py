"""Ask a server for one part of a caption set's replies; they are judged by another job."""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.captions.ask import ask
from nicheclip.config.captions import CaptionConfig
from nicheclip.config.workflow import parse_config
from nicheclip.runtime.credentials import restored
from nicheclip.runtime.job import job
from nicheclip.runtime.manifest import ManifestWriter
from nicheclip.schemas import CATALOG, CLASSES, read_table

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    params = snakemake.params
    # tries, limits and prices are no params: a change there is no reason to ask again
    config = parse_config(snakemake.config).captions[snakemake.wildcards.captions]
    manifest = ManifestWriter("replies", config=params.config, code=params.code)
    replies = Path(snakemake.output.replies)
    counts = ask(
        CaptionConfig.model_validate(restored(config.model_dump(mode="json"))),
        part=int(snakemake.wildcards.part),
        classes=read_table(snakemake.input.classes, CLASSES),
        catalog=read_table(snakemake.input.catalog, CATALOG),
        images=list(dict.fromkeys(Path(file).parent for file in snakemake.input.splits)),
        prompts=Path(params.prompts),
        cache=Path(params.cache),
        seed=params.seed,
        target=replies,
    )
    manifest.write(snakemake.output.manifest, outputs=[replies], counts=counts)
