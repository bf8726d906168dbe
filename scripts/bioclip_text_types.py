"""BioCLIP: zero-shot accuracy by text type, as a table and as a figure."""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.reporting.bioclip_cells import run_cells
from nicheclip.reporting.bioclip_figures import accuracy_figure
from nicheclip.reporting.bioclip_text_types import text_types_table
from nicheclip.reporting.style import save_figure
from nicheclip.reporting.table import write_table
from nicheclip.runtime.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    table = text_types_table(
        run_cells(snakemake.params.rows),
        snakemake.params.text_types,
        scale=snakemake.params.scale,
    )
    write_table(table, Path(snakemake.output.md).parent, "bioclip_text_types")
    save_figure(
        accuracy_figure(table, "text_type", "top1"), Path(snakemake.output.svg).with_suffix("")
    )
