"""Draw a task of adaptation: images without labels, and the texts of their classes."""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.config.tasks import TaskConfig
from nicheclip.data.descriptions import fetch_descriptions
from nicheclip.evaluation.adaptation_tasks import draw_task
from nicheclip.evaluation.seen_classes import ClassGroups, seen_files
from nicheclip.runtime.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    task = TaskConfig.model_validate(snakemake.params.task)
    classes = Path(snakemake.input.classes)
    groups = ClassGroups(
        classes, seen_files(snakemake.input.seen_catalogs, snakemake.input.seen_classes)
    )
    draw_task(
        task,
        splits=classes.parent,
        groups=groups.by(task.seen_in),
        texts=Path(snakemake.input.texts),
        templates=Path(snakemake.input.templates),
        captions={Path(path).parent.name: Path(path) for path in snakemake.input.captions},
        published={
            Path(path).stem: fetch_descriptions(
                Path(path), snakemake.params.registry_name, Path("results/downloads")
            )
            for path in snakemake.input.published
        },
        folder=Path(snakemake.output.texts).parent,
    )
