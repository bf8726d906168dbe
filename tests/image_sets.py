"""Splits of a few images with labels and texts, as the workflow's stages write them."""

from pathlib import Path

import polars as pl
import pyarrow as pa

from nicheclip.captions.assign import write_assigned
from nicheclip.data.image_set import ImageSet
from nicheclip.data.image_tars import ImageTars
from nicheclip.data.mapped import write_mapped
from nicheclip.data.sample_texts import captions_file
from nicheclip.data.split_files import SplitWriter, placed_images
from nicheclip.schemas import ASSIGNED, CLASS_TEXTS
from nicheclip.terms import SPLITS

CLASS_TEXTS_FILE = "class_texts.arrow"
CAPTIONS_FOLDER = "captions"


def write_images(folder: Path, rows: list[dict], *, tars: int = 1) -> Path:
    """Write a folder for each split of ``rows``: image_id, class_id, split, jpg, tar."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for number in range(tars):
        mine = [row for row in rows if row["tar"] == number]
        path = folder / f"tars/{number:05d}.tar"
        path.parent.mkdir(exist_ok=True)
        with ImageTars([path], folder) as images:
            for row in mine:
                images.add(row["image_id"], row["jpg"])
            places = images.finish()
        written += [
            {k: row[k] for k in ("image_id", "class_id", "split")}
            | {"tar": number, "offset": int(offset), "size": int(size)}
            for row, offset, size in zip(mine, places.offset, places.size, strict=True)
        ]
    schema = dict.fromkeys(("image_id", "class_id", "split"), pl.String)
    schema |= {"tar": pl.Int32, "offset": pl.Int64, "size": pl.Int32}
    frame = pl.DataFrame(written, schema=schema)
    classes = sorted({row["class_id"] for row in rows})
    names = [f"../tars/{number:05d}.tar" for number in range(tars)]
    for split in SPLITS:
        images = frame.filter(pl.col("split") == split)
        with SplitWriter(folder / split, classes=classes, tars=names) as writer:
            for tar in range(tars):
                mine = images.filter(pl.col("tar") == tar).sort("offset")
                writer.add(placed_images(mine, pl.Enum(classes), 0))
    return folder


def write_class_texts(folder: Path, texts: dict[str, dict[str, str]]) -> Path:
    """Write the texts of each class by type."""
    rows = [{"class_id": one} | texts[one] for one in sorted(texts)]
    write_mapped(
        folder / CLASS_TEXTS_FILE, CLASS_TEXTS, [pa.Table.from_pylist(rows, schema=CLASS_TEXTS)]
    )
    return folder / CLASS_TEXTS_FILE


def write_row_captions(folder: Path, captions: dict[str, str]) -> Path:
    """Write the captions of every split's images, by image id."""
    columns = {"image_id": list(captions), "caption": list(captions.values())}
    assigned = pa.table(columns, schema=ASSIGNED)
    for split in SPLITS:
        images = ImageSet(folder / split)
        write_assigned(assigned, images, captions_file(folder / CAPTIONS_FOLDER, split))
    return folder / CAPTIONS_FOLDER
