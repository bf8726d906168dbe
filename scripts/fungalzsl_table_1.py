"""FungalZSL, Table 1, as a table and as a figure."""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.reporting.fungalzsl import MeasuredRow, fungalzsl_table, read_published
from nicheclip.reporting.fungalzsl_figures import recall_figure
from nicheclip.reporting.style import save_figure
from nicheclip.reporting.table import write_table
from nicheclip.runtime.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    rows = [
        MeasuredRow(
            label,
            trained=tuple(map(Path, cells["train"])),
            untrained=tuple(map(Path, cells["models"])),
            baseline=Path(cells["baseline"][0]) if cells["baseline"] else None,
        )
        for label, cells in snakemake.params.rows.items()
    ]
    published = read_published(snakemake.input.published)
    table = fungalzsl_table(rows, published, scale=snakemake.params.scale)
    write_table(table, Path(snakemake.output.md).parent, "fungalzsl_1")
    save_figure(recall_figure(table), Path(snakemake.output.svg).with_suffix(""))
