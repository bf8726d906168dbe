"""The classes of a split's images."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nicheclip.data.mapped import MappedTable
from nicheclip.schemas import LABELS

#: in a split's folder, beside the index of its images
LABELS_FILE = "labels.arrow"


class Labels:
    """The class of each image of a split, by the image's number; mapped into memory.

    Raises:
        InputError: the folder has no labels, or damaged ones.
    """

    def __init__(self, folder: Path | str) -> None:
        self._table = MappedTable(Path(folder) / LABELS_FILE, LABELS)

    def __len__(self) -> int:
        return len(self._table)

    @property
    def file(self) -> Path:
        """That they are read from."""
        return self._table.path

    @property
    def classes(self) -> list[str]:
        """The class ids of the whole data set, sorted."""
        batches = self._table.batches
        return batches[0].column("class_id").dictionary.to_pylist() if batches else []

    @property
    def class_ids(self) -> list[str]:
        """Of all images; made anew at each call, for splits that are judged."""
        ids: list[str] = self._table.column("class_id").to_pylist()
        return ids

    def numbers(self) -> NDArray[np.int32]:
        """The class of each image [n], as a place in ``classes``."""
        arrays = [b.column("class_id").indices.to_numpy() for b in self._table.batches]
        return np.concatenate([np.zeros(0, np.int32), *arrays])

    def number(self, row: int) -> int:
        """The class of image number ``row``, as a place in ``classes``."""
        batch, place = self._table.locate(row)
        return int(self._table.batches[batch].column("class_id").indices[place].as_py())

    def class_id(self, row: int) -> str:
        """Of image number ``row``."""
        class_id: str = self._table.cell("class_id", row)
        return class_id
