"""Judge a model by zero-shot classification."""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.config.evaluation import EvaluationConfig
from nicheclip.evaluation.metrics import Cell
from nicheclip.evaluation.standing import read_judged_classes
from nicheclip.evaluation.text_cells import evaluate_zero_shot, read_class_texts
from nicheclip.models.devices import check_gpus
from nicheclip.runtime.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    check_gpus(snakemake.params.gpu)
    config = EvaluationConfig.model_validate(snakemake.params.config)
    source = Path(snakemake.input.class_texts)
    evaluate_zero_shot(
        Cell.model_validate(snakemake.params.cell),
        config,
        model=Path(snakemake.input.model[0]).parent,
        features=Path(snakemake.input.features),
        catalog=Path(snakemake.input.catalog),
        classes=Path(snakemake.input.classes),
        class_ids=read_judged_classes(
            config.classes,
            snakemake.input.classes,
            seen_catalog=snakemake.input.seen_catalog,
            seen_classes=snakemake.input.seen_classes,
        ),
        class_texts=read_class_texts(config, texts=Path(snakemake.input.texts), source=source),
        seed=snakemake.params.seed,
        batch_size=snakemake.params.batch_size,
        device="cuda" if snakemake.params.gpu else "cpu",
        predictions=Path(snakemake.output.predictions),
        metrics=Path(snakemake.output.metrics),
    )
