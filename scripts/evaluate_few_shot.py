"""Judge a model's image features by few-shot classification on stored support sets."""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.evaluation.image_cells import evaluate_few_shot
from nicheclip.evaluation.metrics import Cell
from nicheclip.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    evaluate_few_shot(
        Cell.model_validate(snakemake.params.cell),
        features=Path(snakemake.input.features),
        catalog=Path(snakemake.input.catalog),
        folds=Path(snakemake.input.folds),
        metrics=Path(snakemake.output.metrics),
    )
