"""Judge everything that was adapted to a task."""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.config.tasks import TaskConfig
from nicheclip.evaluation.adapted import Adapted, judge_adapted
from nicheclip.evaluation.split_tables import SplitTables
from nicheclip.runtime.job import job
from nicheclip.subjects import Subject

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    name, task = snakemake.wildcards.task, TaskConfig.model_validate(snakemake.params.task)
    judge_adapted(
        [
            Adapted(
                adaptation,
                [
                    Subject(kind="adapted", name=f"{adaptation}/{name}", variant=variant)
                    for variant in variants
                ],
            )
            for adaptation, variants in snakemake.params.adapted.items()
        ],
        task,
        SplitTables(
            dataset=task.dataset,
            split=task.judge,
            catalog=Path(snakemake.input.catalog),
            classes=Path(snakemake.input.classes),
            trained_on=tuple(map(Path, snakemake.input.trained_on)),
        ),
        name=name,
        models=Path(snakemake.input.adapted[0]).parents[2],
        seed=snakemake.params.seed,
        job=Path(snakemake.output[0]),
    )
