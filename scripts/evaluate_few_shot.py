"""Judge a model's image features by few-shot classification on stored support sets."""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.config.evaluation import EvaluationConfig
from nicheclip.evaluation.image_cells import evaluate_few_shot
from nicheclip.evaluation.metrics import Cell
from nicheclip.evaluation.standing import read_judged_classes
from nicheclip.runtime.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    config = EvaluationConfig.model_validate(snakemake.params.config)
    evaluate_few_shot(
        Cell.model_validate(snakemake.params.cell),
        config,
        features=Path(snakemake.input.features),
        catalog=Path(snakemake.input.catalog),
        class_ids=read_judged_classes(
            config.classes,
            snakemake.input.classes,
            seen_catalog=snakemake.input.seen_catalog,
            seen_classes=snakemake.input.seen_classes,
        ),
        folds=Path(snakemake.input.folds),
        metrics=Path(snakemake.output.metrics),
    )
