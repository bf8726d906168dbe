"""WebDataset shards: one tar and one index per split for each part of the images.

``<image_id>.jpg`` carries the encoded image, ``<image_id>.json`` everything else: labels, all text
types, licence. The index beside each tar says where a sample's bytes lie, so that a reader can
fetch any sample without reading the others.
"""

import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import webdataset as wds

from nicheclip.data.split_index import write_split_index
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import atomic_path, write_parquet
from nicheclip.runtime.progress import progress
from nicheclip.runtime.seeding import stable_hash
from nicheclip.schemas import IMAGES, INDEX_FILE, SHARD_INDEX, read_table
from nicheclip.terms import SPLITS


@dataclass(frozen=True)
class ShardFiles:
    """A tar and its index."""

    tar: Path
    index: Path


def shard_files(folder: Path | str, split: str, part: int) -> ShardFiles:
    """The files of shard ``part`` of ``split`` under the shards' root ``folder``."""
    base = Path(folder) / split / f"{part:05d}"
    return ShardFiles(base.with_suffix(".tar"), base.with_suffix(".parquet"))


@dataclass(frozen=True)
class ShardInputs:
    """What the samples are made of."""

    catalog: pl.DataFrame
    """Schema ``CATALOG``; rows of other parts are passed over."""
    names: dict[str, str]
    """The display name of each class."""
    texts: dict[str, dict[str, str]]
    """The texts of each class by text type."""
    captions: dict[str, str]
    """The caption of each image; images without one are absent."""
    taxa: dict[str, str]
    """The taxon of each class; classes without one are absent."""


def write_part(images: Path, part: int, inputs: ShardInputs, folder: Path) -> dict[str, int]:
    """Write the shards of every split that hold the images of one part.

    Samples are in the order of a hash of their id, so that classes mix. The part is held in
    memory once. The same inputs give the same bytes.

    Args:
        images: Parquet file of schema ``IMAGES``.
        part: its number.
        inputs: catalog and texts.
        folder: the shards' root.

    Returns:
        Samples written to each split.

    Raises:
        InputError: an image of the catalog is not in ``images``.
    """
    rows = inputs.catalog.filter(pl.col("part") == part)
    encoded = _encoded_images(images)
    missing = sorted(set(rows["image_id"]) - encoded.keys())
    if missing:
        raise InputError(
            f"{images}: {len(missing)} images of the catalog, the first {missing[0]}, are not in "
            "it. Run the acquire stage of this data set again."
        )
    counts = {}
    for split in SPLITS:
        files = shard_files(folder, split, part)
        samples = sorted(
            rows.filter(pl.col("split") == split).iter_rows(named=True),
            key=lambda row: stable_hash("shard order", row["image_id"]),
        )
        with atomic_path(files.tar) as temporary:
            with wds.TarWriter(
                str(temporary), encoder=False, mtime=0, user="nicheclip", group="nicheclip"
            ) as writer:
                for row in progress(samples, label=f"{split} shard {part}"):
                    writer.write(_sample(row, encoded[row["image_id"]], inputs))
            index = index_of(temporary)
        write_parquet(files.index, index)
        counts[split] = len(samples)
    return counts


def join_indexes(folder: Path, parts: int) -> dict[str, int]:
    """Write the index of every split (``INDEX_FILE``) from those of its tars.

    Returns:
        Samples in each split.
    """
    return {
        split: write_split_index(
            [shard_files(folder, split, part).index for part in range(parts)],
            Path(folder) / split / INDEX_FILE,
        )
        for split in SPLITS
    }


def index_of(tar: Path) -> pa.Table:
    """Where the members of each sample of ``tar`` lie (schema ``SHARD_INDEX``)."""
    rows: dict[str, dict[str, object]] = {}
    with tarfile.open(tar) as archive:
        for member in archive:
            image_id, _, kind = member.name.partition(".")
            row = rows.setdefault(image_id, {"image_id": image_id})
            row[f"{kind}_offset"] = member.offset_data
            row[f"{kind}_size"] = member.size
            if kind == "json":
                content = archive.extractfile(member)
                assert content is not None  # a regular file: the writer makes no others
                row["class_id"] = json.load(content)["class_id"]
    return pa.Table.from_pylist(list(rows.values()), schema=SHARD_INDEX)


def _encoded_images(path: Path) -> dict[str, bytes]:
    table = read_table(path, IMAGES)
    return dict(zip(table["image_id"].to_pylist(), table["jpg"].to_pylist(), strict=True))


def _sample(row: dict[str, str], jpg: bytes, inputs: ShardInputs) -> dict[str, str | bytes]:
    texts = dict(inputs.texts.get(row["class_id"], {}))
    if row["image_id"] in inputs.captions:
        texts["caption"] = inputs.captions[row["image_id"]]
    description: dict[str, Any] = {
        "image_id": row["image_id"],
        "class_id": row["class_id"],
        "name": inputs.names[row["class_id"]],
        "texts": texts,
    } | {key: row[key] for key in ("licence", "rights_holder", "url") if row[key]}
    if row["class_id"] in inputs.taxa:
        description["taxon_id"] = inputs.taxa[row["class_id"]]
    if row["attributes"]:
        description["attributes"] = json.loads(row["attributes"])
    return {
        "__key__": row["image_id"],
        "jpg": jpg,
        "json": json.dumps(description, sort_keys=True, ensure_ascii=False).encode(),
    }
