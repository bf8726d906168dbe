"""Train a model; a run that was stopped resumes from its last checkpoint."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.config.workflow import parse_config
from nicheclip.runtime.job import job
from nicheclip.training.launch import in_slurm_job, launch
from nicheclip.training.task import TrainingTask

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

started = time.time()
with job(snakemake.log[0], alone=False):  # training asks an earlier process to stop
    config = parse_config(snakemake.config)  # `compute` and `scratch` are no params: see train.smk
    run = config.training[snakemake.wildcards.run]
    task = TrainingTask(
        config=run,
        start=Path(snakemake.input.start[0]).parent,
        shards=Path(snakemake.input.shards).parent,
        seed=int(snakemake.wildcards.seed),
        run_folder=Path(snakemake.params.run_folder),
        output=Path(snakemake.output.report).parent,
        log=Path(snakemake.log[0]),
        code=snakemake.params.code,
        scratch=config.scratch,
        stop_at=started + run.compute.stop_after if in_slurm_job() else None,
    )
    launch(task)
