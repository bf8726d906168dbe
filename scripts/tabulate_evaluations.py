"""Tabulate everything that each evaluation judges.

params.metrics: by the name of the evaluation, the metrics files of its cells
params.scale: of the config
"""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.evaluation.frame import read_cells
from nicheclip.reporting.evaluation_table import evaluation_table
from nicheclip.reporting.table_files import write_table
from nicheclip.runtime.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    for evaluation, metrics in snakemake.params.metrics.items():
        frame = read_cells([Path(path) for path in metrics])
        table = evaluation_table(evaluation, frame, scale=snakemake.params.scale)
        write_table(table, Path("results/tables/evaluation"), evaluation)
