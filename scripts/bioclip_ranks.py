"""BioCLIP: accuracy at each rank, as a table and as a figure."""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.evaluation.predictions import read_classes, read_group_predictions
from nicheclip.reporting.bioclip_cells import run_cells
from nicheclip.reporting.bioclip_figures import accuracy_figure
from nicheclip.reporting.bioclip_ranks import rank_chances, ranks_table
from nicheclip.reporting.style import save_figure
from nicheclip.reporting.table import write_table
from nicheclip.runtime.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    text_type = snakemake.params.text_type
    classes = read_classes(snakemake.input.classes)
    predictions = read_group_predictions(snakemake.input.predictions)
    chances = {
        group: rank_chances(judged.labels, classes)
        for (tested_with, group), judged in predictions.items()
        if tested_with == text_type
    }
    rows = run_cells(snakemake.params.rows)
    table = ranks_table(rows, chances, text_type, scale=snakemake.params.scale)
    write_table(table, Path(snakemake.output.md).parent, "bioclip_ranks")
    save_figure(
        accuracy_figure(table, "rank", "accuracy"), Path(snakemake.output.svg).with_suffix("")
    )
