"""Create a start model: random weights from the seed, or pretrained ones."""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.config.models import ModelConfig
from nicheclip.models.openclip import create, save
from nicheclip.runtime.job import job
from nicheclip.runtime.manifest import ManifestWriter

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    manifest = ManifestWriter("models", config=snakemake.params.config, code=snakemake.params.code)
    config = ModelConfig.model_validate(snakemake.params.config)
    seed = int(snakemake.wildcards.variant.removeprefix("seed") if not config.pretrained else 0)
    clip = create(config, seed=seed, registry=Path(snakemake.params.registry))
    files = save(clip, Path(snakemake.output.manifest).parent)
    parameters = sum(p.numel() for p in clip.model.parameters())
    manifest.write(snakemake.output.manifest, outputs=files, counts={"parameters": parameters})
