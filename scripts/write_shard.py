"""Write one part of a data set's shards."""

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from nicheclip.captions.assign import assign
from nicheclip.data.shards import ShardInputs, write_part
from nicheclip.job import job
from nicheclip.tables import CAPTIONS, CATALOG, CLASSES, TEXTS, read_table

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def texts_by_class(path: str) -> dict[str, dict[str, str]]:
    """The texts of each class by text type."""
    texts: dict[str, dict[str, str]] = {}
    for row in read_table(path, TEXTS).to_pylist():
        texts.setdefault(row["class_id"], {})[row["text_type"]] = row["text"]
    return texts


with job(snakemake.log[0]):
    catalog = read_table(snakemake.input.catalog, CATALOG)
    classes = read_table(snakemake.input.classes, CLASSES)
    part = int(snakemake.wildcards.part)
    caption_files = list(snakemake.input.get("captions", []))
    captions = assign(catalog, read_table(caption_files[0], CAPTIONS)) if caption_files else {}
    inputs = ShardInputs(
        catalog=pl.DataFrame(catalog),
        names=dict(zip(classes["class_id"].to_pylist(), classes["name"].to_pylist(), strict=True)),
        texts=texts_by_class(snakemake.input.texts),
        captions=captions,
    )
    write_part(
        Path(snakemake.input.images) / f"{part:05d}.parquet",
        part,
        inputs,
        Path(snakemake.params.folder),
    )
