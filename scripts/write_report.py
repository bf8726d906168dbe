"""Write the HTML report of all tables and figures."""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.reporting.report_page import write_report
from nicheclip.runtime.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    write_report(
        snakemake.params.snakefile,
        snakemake.input.config[0],
        ["tables", "figures"],
        Path(snakemake.output[0]),
    )
