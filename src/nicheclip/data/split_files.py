"""What the splits of a data set are read from: where images lie, and their classes."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from nicheclip.data.acquired_rows import AcquiredRows
from nicheclip.data.image_set import INDEX_FILE
from nicheclip.data.labels import LABELS_FILE
from nicheclip.data.mapped import write_mapped
from nicheclip.schemas import IMAGE_INDEX, LABELS
from nicheclip.terms import SPLITS

#: what of each image is needed
COLUMNS = ("image_id", "class_id", "tar", "offset", "size")

Pieces = Callable[[], Iterator[pl.DataFrame]]
"""The images of a split, tar by tar: ``COLUMNS``, in the order of the tar's members."""


def write_splits(
    folder: Path, rows: AcquiredRows, splits: NDArray[np.int8], classes: Sequence[str]
) -> None:
    """Write a folder for each split; the rows of one part are in memory at a time.

    Args:
        folder: of the data set.
        rows: of its images.
        splits: the number of each row's split.
        classes: of the whole data set, sorted.
    """
    tars = [tar for part in rows.parts for tar in part.tars]
    for number, split in enumerate(SPLITS):

        def pieces(number: int = number) -> Iterator[pl.DataFrame]:
            first = 0
            for place, part in enumerate(rows.parts):
                where = rows.part(place)
                mine = splits[where.start : where.stop] == number
                images = pl.read_parquet(part.rows, columns=list(COLUMNS)).filter(pl.Series(mine))
                yield from by_tar(images, range(first, first + len(part.tars)))
                first += len(part.tars)

        write_split(folder / split, pieces, classes=classes, tars=tars)


def write_split(
    folder: Path, pieces: Pieces, *, classes: Sequence[str], tars: Sequence[str]
) -> None:
    """Write the index of a split's images, and their labels beside it.

    Args:
        folder: of the split.
        pieces: of all ``tars``, in their order.
        classes: of the whole data set, sorted.
        tars: of the whole data set, relative to ``folder``.
    """
    index = (images.select(IMAGE_INDEX.names).to_arrow() for images in pieces())
    write_mapped(folder / INDEX_FILE, IMAGE_INDEX, index, facts={"tars": list(tars)})
    names, kinds = pa.array(classes, pa.string()), pl.Enum(list(classes))

    def labels() -> Iterator[pa.Table]:
        for images in pieces():
            codes = images["class_id"].cast(kinds).to_physical().cast(pl.Int32).to_arrow()
            column = pa.DictionaryArray.from_arrays(codes, names)
            yield pa.table({"class_id": column}, schema=LABELS)

    write_mapped(folder / LABELS_FILE, LABELS, labels())


def by_tar(images: pl.DataFrame, tars: range) -> Iterator[pl.DataFrame]:
    """``images`` (``COLUMNS``) of each of ``tars``, in the order of its members."""
    ordered = images.sort("tar", "offset")
    numbers = ordered["tar"].to_numpy()
    ends = np.searchsorted(numbers, np.arange(tars.start, tars.stop + 1), side="left")
    for start, end in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True):
        yield ordered.slice(start, end - start)
