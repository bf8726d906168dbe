"""Flatten the ranks of a data set's classes into taxa and text types."""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.files import write_parquet
from nicheclip.job import job
from nicheclip.manifest import ManifestWriter
from nicheclip.tables import CLASSES, read_table
from nicheclip.taxonomy.flatten import flatten

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    manifest = ManifestWriter("taxonomy", config={}, code=snakemake.params.code)
    classes = read_table(snakemake.input.classes, CLASSES)
    taxa, texts = flatten(classes, snakemake.wildcards.dataset)
    write_parquet(snakemake.output.taxa, taxa)
    write_parquet(snakemake.output.texts, texts)
    manifest.write(
        snakemake.output.manifest,
        outputs=[Path(snakemake.output.taxa), Path(snakemake.output.texts)],
        counts={"classes": classes.num_rows, "taxa": taxa.num_rows, "texts": texts.num_rows},
    )
