"""Draw the support sets of few-shot classification."""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.config.evaluation import EvaluationConfig
from nicheclip.evaluation.image_cells import make_folds
from nicheclip.evaluation.standing import read_judged_classes
from nicheclip.runtime.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    config = EvaluationConfig.model_validate(snakemake.params.config)
    make_folds(
        config,
        catalog=Path(snakemake.input.catalog),
        class_ids=read_judged_classes(
            config.classes,
            snakemake.input.classes,
            seen_catalog=snakemake.input.seen_catalog,
            seen_classes=snakemake.input.seen_classes,
        ),
        split=config.split,
        seed=snakemake.params.seed,
        folds=Path(snakemake.output.folds),
    )
