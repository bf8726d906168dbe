"""What the splits of a data set are read from: where images lie, and their classes."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from nicheclip.data.acquired_rows import AcquiredRows
from nicheclip.data.buckets import Buckets
from nicheclip.data.image_set import INDEX_FILE
from nicheclip.data.labels import LABELS_FILE
from nicheclip.data.mapped import MappedWriter
from nicheclip.schemas import IMAGE_INDEX, LABELS
from nicheclip.terms import SPLITS

#: rows of neighbouring tars that are in memory
ROWS_OF_A_BUCKET = 1 << 18
#: what of each image is needed
COLUMNS = ("image_id", "class_id", "tar", "offset", "size")
#: an image: its split, where it lies, and the place of its class among all
PLACED = np.dtype(
    [
        *(("split", "i1"), ("tar", "<i4"), ("offset", "<i8"), ("size", "<i4")),
        *(("image_id", "<u8"), ("class", "<i4")),
    ]
)
#: hex digits of an image's id
DIGITS = 16


def write_splits(
    folder: Path,
    rows: AcquiredRows,
    splits: NDArray[np.int8],
    classes: Sequence[str],
    spool: Path,
) -> None:
    """Write a folder for each split; the rows of a tar or of a few are in memory at a time.

    Args:
        folder: of the data set.
        rows: of its images.
        splits: the number of each row's split.
        classes: of the whole data set, sorted.
        spool: a folder for what is sorted on disk.
    """
    tars = [tar for part in rows.parts for tar in part.tars]
    size = max(ROWS_OF_A_BUCKET, -(-len(rows) // max(len(tars), 1)))
    buckets = Buckets(spool, PLACED, records=len(rows), size=size)
    kinds = pl.Enum(classes)
    for where, frame in rows.batches(list(COLUMNS)):
        kept = splits[where] >= 0
        placed = placed_images(frame.filter(kept), kinds, splits[where][kept])
        buckets.add(placed, placed["tar"].astype(np.int64) * buckets.count // len(tars))
    with ExitStack() as stack:
        writers = [
            stack.enter_context(SplitWriter(folder / split, classes=classes, tars=tars))
            for split in SPLITS
        ]
        tar = 0
        for number, bucket in enumerate(buckets):
            bucket = bucket[np.lexsort((bucket["offset"], bucket["tar"]))]
            end = -(-(number + 1) * len(tars) // buckets.count)
            edges = np.searchsorted(bucket["tar"], np.arange(tar, end + 1))
            for first, last in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
                for split, writer in enumerate(writers):
                    images = bucket[first:last]
                    writer.add(images[images["split"] == split])
            tar = end


def placed_images(frame: pl.DataFrame, classes: pl.Enum, split: Any) -> NDArray[Any]:
    """``PLACED`` from rows with ``COLUMNS``, all in ``split``, or each in its own."""
    placed = np.empty(frame.height, PLACED)
    placed["split"] = split
    for name in ("tar", "offset", "size"):
        placed[name] = frame[name].to_numpy()
    ids = frame["image_id"].str.to_integer(base=16, dtype=pl.UInt64)
    placed["image_id"] = ids.to_numpy()
    placed["class"] = frame["class_id"].cast(classes).to_physical().to_numpy()
    return placed


class SplitWriter:
    """Writes the index of a split's images, and their labels beside it, tar by tar."""

    def __init__(self, folder: Path, *, classes: Sequence[str], tars: Sequence[str]) -> None:
        """Open both files.

        Args:
            folder: of the split.
            classes: of the whole data set, sorted.
            tars: of the whole data set, relative to ``folder``.
        """
        self._classes = pa.array(classes, pa.string())
        self._index = MappedWriter(folder / INDEX_FILE, IMAGE_INDEX, facts={"tars": list(tars)})
        self._labels = MappedWriter(folder / LABELS_FILE, LABELS)

    def add(self, images: NDArray[Any]) -> None:
        """Add the images of the next tar: ``PLACED``, in the order of its members."""
        columns = [_hex(images["image_id"]), pa.array(images["offset"]), pa.array(images["size"])]
        self._index.add(pa.table(columns, schema=IMAGE_INDEX))
        labels = pa.DictionaryArray.from_arrays(pa.array(images["class"]), self._classes)
        self._labels.add(pa.table([labels], schema=LABELS))

    def __enter__(self) -> "SplitWriter":
        with ExitStack() as stack:
            stack.enter_context(self._index)
            stack.enter_context(self._labels)
            self._files = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._files.__exit__(kind, error, traceback)


def _hex(numbers: NDArray[np.uint64]) -> pa.Array:
    """Each number as 16 hex digits."""
    digits = numbers.astype(">u8").tobytes().hex().encode()
    ends = np.arange(len(numbers) + 1, dtype=np.int32) * DIGITS
    return pa.StringArray.from_buffers(len(numbers), pa.py_buffer(ends), pa.py_buffer(digits))
