"""Write one part of a data set's shards."""

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pyarrow.compute as pc

from nicheclip.data.shards import ShardInputs, write_part
from nicheclip.runtime.job import job
from nicheclip.schemas import ASSIGNED, CATALOG, CLASSES, TEXTS, read_table

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def texts_and_taxa(path: str) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """The texts of each class by text type, and the taxon of each class that has one."""
    texts: dict[str, dict[str, str]] = {}
    taxa: dict[str, str] = {}
    for row in read_table(path, TEXTS).to_pylist():
        texts.setdefault(row["class_id"], {})[row["text_type"]] = row["text"]
        if row["taxon_id"]:
            taxa[row["class_id"]] = row["taxon_id"]
    return texts, taxa


with job(snakemake.log[0]):
    part = int(snakemake.wildcards.part)
    catalog = read_table(snakemake.input.catalog, CATALOG, where=pc.field("part") == part)
    classes = read_table(snakemake.input.classes, CLASSES)
    captions: dict[str, str] = {}
    for path in snakemake.input.captions:  # one or none
        own = pc.field("image_id").isin(catalog["image_id"].combine_chunks())
        assigned = read_table(path, ASSIGNED, where=own)
        columns = (assigned[name].to_pylist() for name in ASSIGNED.names)
        captions = dict(zip(*columns, strict=True))
    texts, taxa = texts_and_taxa(snakemake.input.texts)
    inputs = ShardInputs(
        catalog=pl.DataFrame(catalog),
        names=dict(zip(classes["class_id"].to_pylist(), classes["name"].to_pylist(), strict=True)),
        texts=texts,
        captions=captions,
        taxa=taxa,
    )
    write_part(
        Path(snakemake.input.images) / f"{part:05d}.parquet",
        part,
        inputs,
        Path(snakemake.params.folder),
    )
