"""Train a model; a run that was stopped goes on from its last checkpoint."""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.config.training import TrainingConfig
from nicheclip.job import job
from nicheclip.training.loop import train

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    config = TrainingConfig.model_validate(snakemake.params.config)
    train(
        config,
        start=Path(snakemake.input.start[0]).parent,
        shards=Path(snakemake.input.shards[0]).parents[1],
        seed=int(snakemake.wildcards.seed),
        run_folder=Path(snakemake.params.run_folder),
        output=Path(snakemake.output.report).parent,
        code=snakemake.params.code,
    )
