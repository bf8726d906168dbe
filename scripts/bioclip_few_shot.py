"""BioCLIP: zero-shot and few-shot accuracy, as a table and as a figure."""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.reporting.bioclip_cells import run_cells
from nicheclip.reporting.bioclip_few_shot import Task, few_shot_table, read_published
from nicheclip.reporting.bioclip_figures import accuracy_figure
from nicheclip.reporting.style import save_figure
from nicheclip.reporting.table import write_table
from nicheclip.runtime.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    zero_shot = run_cells(snakemake.params.zero_shot)
    tasks = [
        Task(task["dataset"], task["classes"], *cells)
        for task in snakemake.params.tasks
        for cells in zip(zero_shot, run_cells(task["rows"]), strict=True)
    ]
    table = few_shot_table(
        tasks,
        read_published(snakemake.input.published),
        snakemake.params.text_type,
        scale=snakemake.params.scale,
    )
    write_table(table, Path(snakemake.output.md).parent, "bioclip_few_shot")
    save_figure(
        accuracy_figure(table, "shots", "accuracy"), Path(snakemake.output.svg).with_suffix("")
    )
