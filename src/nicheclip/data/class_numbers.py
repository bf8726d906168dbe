"""Classes as small numbers, while rows stream by."""

import numpy as np
import polars as pl
from numpy.typing import NDArray


class ClassNumbers:
    """Gives each class id a number, from 0, in the order in which they are first seen."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def of(self, class_ids: pl.Series) -> NDArray[np.int32]:
        """The number of each."""
        coded = class_ids.to_arrow().dictionary_encode()
        known = [
            self._numbers.setdefault(one, len(self._numbers))
            for one in coded.dictionary.to_pylist()
        ]
        found: NDArray[np.int32] = np.array(known, np.int32)[coded.indices.to_numpy()]
        return found
