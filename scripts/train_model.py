"""Train a model; a run that was stopped goes on from its last checkpoint."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.config.training import TrainingConfig
from nicheclip.runtime.job import job
from nicheclip.training.launch import in_slurm_job, launch
from nicheclip.training.task import TrainingTask

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

started = time.time()
with job(snakemake.log[0], alone=False):  # training asks an earlier process to stop
    task = TrainingTask(
        config=TrainingConfig.model_validate(snakemake.params.config),
        start=Path(snakemake.input.start[0]).parent,
        shards=Path(snakemake.input.shards[0]).parents[1],
        seed=int(snakemake.wildcards.seed),
        run_folder=Path(snakemake.params.run_folder),
        output=Path(snakemake.output.report).parent,
        log=Path(snakemake.log[0]),
        code=snakemake.params.code,
        scratch=snakemake.config.get("scratch"),
        stop_at=started + snakemake.resources.stop_after if in_slurm_job() else None,
    )
    launch(task)
