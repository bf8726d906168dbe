"""Self-contained WebDataset shards of a split, for other people's tools.

``<image_id>.jpg`` or ``.png`` carries the encoded image, ``<image_id>.json`` everything else:
labels, all text types, licence. Nothing in this library reads them.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import webdataset as wds

from nicheclip.data.image_set import ImageSet
from nicheclip.data.image_tars import suffix
from nicheclip.data.labels import Labels
from nicheclip.data.sample_texts import SampleTexts
from nicheclip.runtime.files import atomic_path
from nicheclip.runtime.progress import progress
from nicheclip.schemas import CATALOG, read_table

#: images that are in memory
IMAGES_AT_ONCE = 256
#: what the catalog says of an image that travels with it
CATALOG_FIELDS = ("licence", "rights_holder", "url")


@dataclass(frozen=True)
class Split:
    """What the samples of a split are made of."""

    images: ImageSet
    labels: Labels
    texts: SampleTexts
    catalog: Path
    """Schema ``CATALOG``."""
    names: dict[str, str]
    """The display name of each class."""
    taxa: dict[str, str]
    """The taxon of each class; classes without one are absent."""


def export_tar(split: Split, number: int, target: Path) -> int:
    """Write the samples of one tar, in their order; the same inputs give the same bytes.

    Args:
        split: that is exported.
        number: of the tar among those of the images.
        target: written.

    Returns:
        Samples.
    """
    first = sum(split.images.tar_sizes[:number])
    rows = range(first, first + split.images.tar_sizes[number])
    with (
        atomic_path(target) as temporary,
        wds.TarWriter(
            str(temporary), encoder=False, mtime=0, user="nicheclip", group="nicheclip"
        ) as writer,
    ):
        for sample in progress(_samples(split, rows), label=target.name, total=len(rows)):
            writer.write(sample)
    return len(rows)


def _samples(split: Split, rows: range) -> Iterator[dict[str, str | bytes]]:
    for start in range(rows.start, rows.stop, IMAGES_AT_ONCE):
        numbers = range(start, min(start + IMAGES_AT_ONCE, rows.stop))
        facts = _facts(split, numbers)
        for row, image in zip(numbers, split.images.read_many(numbers), strict=True):
            description = _description(split, row, facts[image.image_id])
            yield {
                "__key__": image.image_id,
                suffix(image.encoded): image.encoded,
                "json": json.dumps(description, sort_keys=True, ensure_ascii=False).encode(),
            }


def _facts(split: Split, rows: range) -> dict[str, dict[str, Any]]:
    """The catalog's rows of some images, by id."""
    ids = [split.images.image_id(row) for row in rows]
    found = read_table(split.catalog, CATALOG, where=pc.field("image_id").isin(ids))
    return {row["image_id"]: row for row in found.to_pylist()}


def _description(split: Split, row: int, facts: dict[str, Any]) -> dict[str, Any]:
    class_id = split.labels.class_id(row)
    description: dict[str, Any] = {
        "image_id": facts["image_id"],
        "class_id": class_id,
        "name": split.names[class_id],
        "texts": split.texts.texts(row),
    } | {field: facts[field] for field in CATALOG_FIELDS if facts[field]}
    if class_id in split.taxa:
        description["taxon_id"] = split.taxa[class_id]
    if facts["attributes"]:
        description["attributes"] = json.loads(facts["attributes"])
    return description
