"""BioCLIP: the text-type ablation."""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.reporting.bioclip_cells import run_cells
from nicheclip.reporting.bioclip_text_types import ablation_table
from nicheclip.reporting.table import write_table
from nicheclip.runtime.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    table = ablation_table(
        run_cells(snakemake.params.rows),
        snakemake.params.text_types,
        scale=snakemake.params.scale,
    )
    write_table(table, Path(snakemake.output.md).parent, "bioclip_ablation")
