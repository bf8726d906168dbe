"""Give each image of a data set its caption."""

from typing import TYPE_CHECKING

from nicheclip.captions.assign import assign
from nicheclip.runtime.files import write_parquet
from nicheclip.runtime.job import job
from nicheclip.schemas import CAPTIONS, CATALOG, read_table

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    catalog = read_table(snakemake.input.catalog, CATALOG)
    captions = read_table(snakemake.input.captions, CAPTIONS)
    write_parquet(snakemake.output.assigned, assign(catalog, captions))
