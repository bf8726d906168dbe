"""Train a model; a run that was stopped resumes from its last checkpoint."""

import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.config.workflow import parse_config
from nicheclip.engine.launch import launch, stop_time
from nicheclip.runtime.job import job
from nicheclip.training.run import DataSetFiles, TrainingRun

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

# by name: it says whose the images are, and changes no weight
attribution = import_module("nicheclip.data.attribution")

started = time.time()
with job(snakemake.log[0], alone=False):  # training asks an earlier process to stop
    config = parse_config(snakemake.config)  # `compute` and `scratch` are no params: see train.smk
    dataset = config.training[snakemake.wildcards.run].dataset
    run = TrainingRun(
        config=config.training[snakemake.wildcards.run],
        start=Path(snakemake.input.start[0]).parent,
        class_texts=Path(snakemake.input.class_texts),
        captions=Path(snakemake.input.captions[0]).parent if snakemake.input.captions else None,
        lineages=Path(snakemake.input.lineages[0]).parent if snakemake.input.lineages else None,
        replay=DataSetFiles.of(snakemake.input.replay),
        validation=DataSetFiles.of(snakemake.input.validation),
        seed=int(snakemake.wildcards.seed),
        output=Path(snakemake.output.report).parent,
        data=attribution.Attribution.read(
            Path(snakemake.input.catalog),
            dataset=dataset,
            source=config.datasets[dataset].source,
            registry=Path(snakemake.params.registry),
        ).model_dump(),
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
