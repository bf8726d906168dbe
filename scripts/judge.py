"""Judge the variants of a subject on a split, by all protocols that the config asks for."""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.evaluation.judge import judge_subjects
from nicheclip.evaluation.requests import read_requests
from nicheclip.evaluation.seen_classes import ClassGroups, seen_files
from nicheclip.runtime.job import job
from nicheclip.subjects import Subject

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    wildcards = snakemake.wildcards
    classes = Path(snakemake.input.classes)
    judge_subjects(
        [
            Subject(kind=wildcards.kind, name=wildcards.name, variant=variant)
            for variant in snakemake.params.variants
        ],
        read_requests(snakemake.params.cells, dataset=wildcards.dataset, split=wildcards.split),
        dataset=wildcards.dataset,
        split=wildcards.split,
        features=Path(snakemake.input.features).parent,
        catalog=Path(snakemake.input.catalog),
        classes=classes,
        groups=ClassGroups(
            classes, seen_files(snakemake.input.seen_catalogs, snakemake.input.seen_classes)
        ),
        folds={Path(path).parent.name: Path(path) for path in snakemake.input.folds},
        seed=snakemake.params.seed,
        job=Path(snakemake.output[0]),
        trained_on=[Path(path) for path in snakemake.input.trained_on],
        # results/features/<dataset>/<split>/<kind>/<name>/manifest.json
        learnt_from={
            Path(path).parts[-4]: Path(path).parent for path in snakemake.input.learnt_from
        },
    )
