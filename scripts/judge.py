"""Judge the variants of a subject on a split, by all protocols that the config asks for."""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.evaluation.judge import SubjectFiles, judge_subjects
from nicheclip.evaluation.requests import read_requests
from nicheclip.evaluation.seen_classes import ClassGroups, seen_files
from nicheclip.evaluation.split_tables import SplitTables
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
        SplitTables(
            dataset=wildcards.dataset,
            split=wildcards.split,
            catalog=Path(snakemake.input.catalog),
            classes=classes,
            trained_on=tuple(map(Path, snakemake.input.trained_on)),
        ),
        SubjectFiles(
            features=Path(snakemake.input.features).parent,
            # results/features/<dataset>/<split>/<kind>/<name>/manifest.json
            learnt_from={
                Path(path).parts[-4]: Path(path).parent for path in snakemake.input.learnt_from
            },
            folds={Path(path).parent.name: Path(path) for path in snakemake.input.folds},
        ),
        ClassGroups(
            classes, seen_files(snakemake.input.seen_catalogs, snakemake.input.seen_classes)
        ),
        seed=snakemake.params.seed,
        job=Path(snakemake.output[0]),
    )
