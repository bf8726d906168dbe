"""Write one part of a data set's shards."""

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from nicheclip.captions.assign import assign
from nicheclip.data.shards import ShardInputs, write_part
from nicheclip.runtime.job import job
from nicheclip.schemas import CAPTIONS, CATALOG, CLASSES, TEXTS, read_table

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
    catalog = read_table(snakemake.input.catalog, CATALOG)
    classes = read_table(snakemake.input.classes, CLASSES)
    part = int(snakemake.wildcards.part)
    caption_files = list(snakemake.input.get("captions", []))
    captions = assign(catalog, read_table(caption_files[0], CAPTIONS)) if caption_files else {}
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
