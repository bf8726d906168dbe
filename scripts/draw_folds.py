"""Draw the support sets of few-shot classification."""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.evaluation.folds import make_folds
from nicheclip.evaluation.requests import evaluation_of
from nicheclip.evaluation.seen_classes import ClassGroups, seen_files
from nicheclip.runtime.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    options = evaluation_of(
        snakemake.params.options,
        dataset=snakemake.wildcards.dataset,
        split=snakemake.params.split,
    )
    groups = ClassGroups(
        Path(snakemake.input.classes),
        seen_files(snakemake.input.seen_catalogs, snakemake.input.seen_classes),
    )
    make_folds(
        options,
        catalog=Path(snakemake.input.catalog),
        groups=groups.by(options.seen_in, options.within),
        seed=snakemake.params.seed,
        path=Path(snakemake.output.folds),
    )
