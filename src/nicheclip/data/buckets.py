"""Records on disk, spread over files: of any number of them, one file at a time is in memory."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: an odd number whose products have well mixed upper bits: 2^64 by the golden ratio
MIXER = np.uint64(0x9E3779B97F4A7C15)
#: upper bits that tell buckets apart
MIXED_BITS = 20


class Buckets:
    """Takes records as they come; iterating gives them bucket by bucket, once.

    Within a bucket they are in the order in which they came.
    """

    def __init__(self, spool: Path, dtype: np.dtype[Any], *, records: int, size: int) -> None:
        """Plan the buckets.

        Args:
            spool: an existing folder for their files.
            dtype: of a record.
            records: that will come, about.
            size: of a bucket, in records, where they spread evenly.
        """
        self.count = max(1, -(-records // size))
        """How many buckets there are."""
        self._dtype = dtype
        folder = Path(tempfile.mkdtemp(dir=spool))
        self._paths = [folder / str(number) for number in range(self.count)]

    def add(self, records: NDArray[Any], numbers: NDArray[np.integer]) -> None:
        """Put each of ``records`` [n] into the bucket that ``numbers`` [n] says."""
        order = np.argsort(numbers, kind="stable")
        ordered, sorted_numbers = records[order], numbers[order]
        starts = np.flatnonzero(np.diff(sorted_numbers, prepend=-1))
        for number, piece in zip(
            sorted_numbers[starts].tolist(), np.split(ordered, starts[1:]), strict=False
        ):
            with self._paths[number].open("ab") as file:
                file.write(piece.tobytes())

    def mixed(self, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
        """A bucket for each key [n]: equal keys in one, others spread evenly."""
        upper = (keys * MIXER) >> np.uint64(64 - MIXED_BITS)
        return upper.astype(np.int64) * self.count >> MIXED_BITS

    def __iter__(self) -> Iterator[NDArray[Any]]:
        for path in self._paths:
            if not path.exists():
                yield np.zeros(0, self._dtype)
                continue
            yield np.fromfile(path, self._dtype)
            path.unlink()
