"""Judge the colour histogram, a baseline that sees no shapes, by each evaluation of a split."""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.data.image_set import ImageSet
from nicheclip.evaluation.colour_histogram import judge_baseline
from nicheclip.evaluation.requests import read_requests
from nicheclip.evaluation.seen_classes import ClassGroups, seen_files
from nicheclip.evaluation.split_tables import SplitTables
from nicheclip.runtime.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    wildcards = snakemake.wildcards
    classes = Path(snakemake.input.classes)
    folder = classes.parent
    judge_baseline(
        read_requests(snakemake.params.cells, dataset=wildcards.dataset, split=wildcards.split),
        SplitTables(wildcards.dataset, wildcards.split, Path(snakemake.input.catalog), classes),
        ClassGroups(
            classes, seen_files(snakemake.input.seen_catalogs, snakemake.input.seen_classes)
        ),
        train=ImageSet(folder / "train"),
        judged=ImageSet(folder / wildcards.split),
        seed=snakemake.params.seed,
        job=Path(snakemake.output[0]),
    )
