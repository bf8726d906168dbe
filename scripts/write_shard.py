"""Write one tar of a data set's self-contained WebDataset shards, for each split."""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.data.image_set import ImageSet
from nicheclip.data.labels import Labels
from nicheclip.data.sample_texts import SampleTexts
from nicheclip.data.webdataset_export import Split, export_tar
from nicheclip.runtime.job import job
from nicheclip.schemas import CLASSES, TEXTS, read_table

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def column_by_class(path: str, name: str, schema: object) -> dict[str, str]:
    """The values of a column by class id, where there are any."""
    table = read_table(path, schema)
    pairs = zip(table["class_id"].to_pylist(), table[name].to_pylist(), strict=True)
    return {class_id: value for class_id, value in pairs if value}


with job(snakemake.log[0]):
    given = snakemake.input
    names = column_by_class(given.classes, "name", CLASSES)
    taxa = column_by_class(given.texts, "taxon_id", TEXTS)
    for number, split in enumerate(snakemake.params.splits):
        folder = Path(given.catalog).parent / split
        labels = Labels(folder)
        captions = Path(given.captions[number]) if given.captions else None
        texts = SampleTexts(labels, Path(given.class_texts), captions)
        exported = Split(ImageSet(folder), labels, texts, Path(given.catalog), names, taxa)
        export_tar(exported, int(snakemake.wildcards.tar), Path(snakemake.output[number]))
