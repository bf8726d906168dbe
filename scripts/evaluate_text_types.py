"""Judge a model by zero-shot classification with each text type, among seen and unseen classes."""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.config.evaluation import EvaluationConfig
from nicheclip.evaluation.metrics import Cell
from nicheclip.evaluation.standing import read_class_groups
from nicheclip.evaluation.text_types import evaluate_text_types
from nicheclip.models.devices import check_gpus
from nicheclip.runtime.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    check_gpus(snakemake.params.gpu)
    evaluate_text_types(
        Cell.model_validate(snakemake.params.cell),
        EvaluationConfig.model_validate(snakemake.params.config),
        model=Path(snakemake.input.model[0]).parent,
        features=Path(snakemake.input.features),
        catalog=Path(snakemake.input.catalog),
        classes=Path(snakemake.input.classes),
        texts=Path(snakemake.input.texts),
        templates=Path(snakemake.input.class_texts),
        groups=read_class_groups(
            snakemake.input.classes,
            seen_catalog=snakemake.input.seen_catalog[0],
            seen_classes=snakemake.input.seen_classes[0],
        ),
        seed=snakemake.params.seed,
        batch_size=snakemake.params.batch_size,
        device="cuda" if snakemake.params.gpu else "cpu",
        predictions=Path(snakemake.output.predictions),
        metrics=Path(snakemake.output.metrics),
    )
