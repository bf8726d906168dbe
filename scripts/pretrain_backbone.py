"""Train an image model without labels; a run that was stopped resumes from its last checkpoint."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.config.workflow import parse_config
from nicheclip.engine.launch import launch, stop_time
from nicheclip.runtime.job import job
from nicheclip.training.pretrain import PretrainingRun

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

started = time.time()
with job(snakemake.log[0], alone=False):  # training asks an earlier process to stop
    config = parse_config(snakemake.config)  # `compute` and `scratch` are no params: see train.smk
    run = PretrainingRun(
        config=config.pretraining[snakemake.wildcards.pretraining],
        seed=int(snakemake.wildcards.seed),
        output=Path(snakemake.output.report).parent,
    )
    launch(
        run.as_task(
            run.config.compute,
            data=Path(snakemake.input.splits[0]).parents[1],
            run_folder=Path(snakemake.params.run_folder),
            log=Path(snakemake.log[0]),
            code=snakemake.params.code,
            scratch=config.scratch,
            stop_at=stop_time(started, run.config.compute),
        )
    )
