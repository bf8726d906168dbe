"""What the splits of a data set are read from: where images lie, and their classes."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from nicheclip.data.image_set import INDEX_FILE
from nicheclip.data.labels import LABELS_FILE
from nicheclip.data.mapped import write_mapped
from nicheclip.schemas import IMAGE_INDEX, LABELS


def write_split(
    folder: Path, images: pl.DataFrame, *, classes: Sequence[str], tars: Sequence[str]
) -> None:
    """Write the index of a split's images, and their labels beside it.

    Args:
        folder: of the split.
        images: columns tar (the number of one of ``tars``), offset, size, image_id, class_id; any
            order.
        classes: of the whole data set, sorted.
        tars: of the whole data set, relative to ``folder``.
    """
    ordered = images.sort("tar", "offset")
    ends: list[int] = np.searchsorted(
        ordered["tar"].to_numpy(), np.arange(len(tars)), side="right"
    ).tolist()
    index = ordered.select(IMAGE_INDEX.names).to_arrow()
    write_mapped(
        folder / INDEX_FILE, IMAGE_INDEX, _of_tars(index, ends), facts={"tars": list(tars)}
    )
    kinds = pl.Enum(list(classes))
    codes = pa.array(ordered["class_id"].cast(kinds).to_physical().cast(pl.Int32).to_numpy())
    names = pa.array(classes, pa.string())
    labels = pa.table({"class_id": pa.DictionaryArray.from_arrays(codes, names)}, schema=LABELS)
    write_mapped(folder / LABELS_FILE, LABELS, _of_tars(labels, ends))


def _of_tars(table: pa.Table, ends: Sequence[int]) -> Iterator[pa.Table]:
    start = 0
    for end in ends:
        yield table.slice(start, end - start)
        start = end
