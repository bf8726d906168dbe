"""Judge a model by the captions that it finds for the images."""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.config.evaluation import EvaluationConfig
from nicheclip.evaluation.metrics import Cell
from nicheclip.evaluation.text_cells import evaluate_retrieval
from nicheclip.models.devices import check_gpus
from nicheclip.runtime.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    check_gpus(snakemake.params.gpu)
    config = EvaluationConfig.model_validate(snakemake.params.config)
    evaluate_retrieval(
        Cell.model_validate(snakemake.params.cell),
        config,
        model=Path(snakemake.input.model[0]).parent,
        features=Path(snakemake.input.features),
        shards=Path(snakemake.input.shards[0]).parent,
        classes=Path(snakemake.input.classes),
        seed=snakemake.params.seed,
        batch_size=snakemake.params.batch_size,
        device="cuda" if snakemake.params.gpu else "cpu",
        predictions=Path(snakemake.output.predictions),
        metrics=Path(snakemake.output.metrics),
    )
