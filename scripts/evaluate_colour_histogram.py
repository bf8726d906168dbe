"""Judge the colour histogram, a baseline that sees no shapes."""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.config.evaluation import EvaluationConfig
from nicheclip.evaluation.image_cells import evaluate_colour_histogram
from nicheclip.evaluation.metrics import Cell
from nicheclip.evaluation.standing import read_judged_classes
from nicheclip.runtime.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    config = EvaluationConfig.model_validate(snakemake.params.config)
    evaluate_colour_histogram(
        Cell.model_validate(snakemake.params.cell),
        config,
        train=Path(snakemake.input.train[0]).parent,
        judged=Path(snakemake.input.shards[0]).parent,
        classes=Path(snakemake.input.classes),
        class_ids=read_judged_classes(
            config.classes,
            snakemake.input.classes,
            seen_catalog=snakemake.input.seen_catalog,
            seen_classes=snakemake.input.seen_classes,
        ),
        seed=snakemake.params.seed,
        predictions=Path(snakemake.output.predictions),
        metrics=Path(snakemake.output.metrics),
    )
