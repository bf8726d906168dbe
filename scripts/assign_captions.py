"""Give each image of a data set its caption."""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.captions.assign import assign, write_assigned
from nicheclip.data.image_set import ImageSet
from nicheclip.runtime.job import job
from nicheclip.schemas import CAPTIONS, CATALOG, read_table

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    catalog = read_table(snakemake.input.catalog, CATALOG)
    assigned = assign(catalog, read_table(snakemake.input.captions, CAPTIONS))
    folder = Path(snakemake.input.catalog).parent
    for split, target in zip(snakemake.params.splits, snakemake.output, strict=True):
        write_assigned(assigned, ImageSet(folder / split), Path(target))
