"""Resolve the ranks of a data set's classes and flatten them into taxa and text types."""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.config.taxonomy import TaxonomyConfig
from nicheclip.data.mapped import write_mapped
from nicheclip.runtime.files import write_parquet
from nicheclip.runtime.job import job
from nicheclip.runtime.manifest import ManifestWriter
from nicheclip.schemas import CLASS_TEXTS, CLASSES, read_table
from nicheclip.taxonomy.class_taxa import resolve_classes
from nicheclip.taxonomy.flatten import flatten
from nicheclip.taxonomy.texts import texts_by_class

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    config = TaxonomyConfig.model_validate(snakemake.params.config)
    manifest = ManifestWriter(
        "taxonomy", config=snakemake.params.config, code=snakemake.params.code
    )
    classes = read_table(snakemake.input.classes, CLASSES)
    resolutions = resolve_classes(
        classes,
        config,
        names=next(iter(snakemake.input.names), None),
        vernaculars=next(iter(snakemake.input.vernaculars), None),
    )
    taxa, texts = flatten(
        classes,
        snakemake.wildcards.dataset,
        policy=config.policy,
        resolutions=resolutions if config.providers else None,
    )
    tables = {"taxa": taxa, "texts": texts, "resolutions": resolutions}
    for name, table in tables.items():
        write_parquet(snakemake.output[name], table)
    class_texts = Path(snakemake.output.class_texts)
    write_mapped(class_texts, CLASS_TEXTS, [texts_by_class(texts, classes)])
    manifest.write(
        snakemake.output.manifest,
        outputs=[*(Path(snakemake.output[name]) for name in tables), class_texts],
        counts={"classes": classes.num_rows, **{n: t.num_rows for n, t in tables.items()}},
    )
