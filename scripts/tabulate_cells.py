"""Tabulate everything that an evaluation judges."""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.reporting.evaluation_table import evaluation_table
from nicheclip.reporting.table import write_table
from nicheclip.runtime.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    evaluation = snakemake.wildcards.evaluation
    table = evaluation_table(
        evaluation,
        [Path(path) for path in snakemake.input.metrics],
        scale=snakemake.params.scale,
    )
    write_table(table, Path(snakemake.output.md).parent, evaluation)
