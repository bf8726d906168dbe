"""Write the config that is in force, for the record and for the report."""

from typing import TYPE_CHECKING

from nicheclip.runtime.files import write_json
from nicheclip.runtime.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    write_json(snakemake.output[0], snakemake.params.config)
