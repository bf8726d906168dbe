"""Where the samples of a split lie: one file, mapped into memory and shared by all processes.

An Arrow IPC file of schema ``SPLIT_INDEX`` with one record batch for each tar, in the order of the
tars. Arrow reads such a file in place: opening it costs the same for any number of samples, and the
operating system keeps one copy for all processes that look into it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import atomic_path
from nicheclip.schemas import INDEX_FILE, SHARD_INDEX, SPLIT_INDEX, read_table


class Place(NamedTuple):
    """Where a sample lies in its tar, in bytes."""

    shard: int
    image_id: str
    class_id: str
    jpg_offset: int
    jpg_size: int
    json_offset: int
    json_size: int


def write_split_index(indexes: Sequence[Path], target: Path) -> int:
    """Join the indexes of a split's tars (schema ``SHARD_INDEX``) into ``target``.

    One of them is in memory at a time, beside the distinct classes.

    Returns:
        Samples.
    """
    classes = _distinct_classes(indexes)
    with (
        atomic_path(target) as temporary,
        pa.OSFile(str(temporary), "wb") as stream,
        pa.ipc.new_file(stream, SPLIT_INDEX) as writer,
    ):
        samples = 0
        for path in indexes:
            table = read_table(path, SHARD_INDEX).combine_chunks()
            codes = pc.index_in(table["class_id"], value_set=classes).combine_chunks()
            columns = {name: table[name].combine_chunks() for name in SHARD_INDEX.names}
            columns["class_id"] = pa.DictionaryArray.from_arrays(codes.cast(pa.int32()), classes)
            arrays = [columns[field.name].cast(field.type) for field in SPLIT_INDEX]
            writer.write_batch(pa.record_batch(arrays, schema=SPLIT_INDEX))
            samples += table.num_rows
    return samples


def _distinct_classes(indexes: Sequence[Path]) -> pa.Array:
    """Sorted by the bytes of their ids; a file of an IPC has one dictionary for all batches."""
    found = pa.array([], pa.string())
    for path in indexes:
        column = pq.read_table(path, columns=["class_id"])["class_id"]
        found = pa.concat_arrays([found, column.unique()]).unique()
    return found.take(pc.sort_indices(found))


@dataclass(frozen=True)
class _Shard:
    """The columns of one tar, as views of the mapped file."""

    image_ids: pa.Array
    codes: NDArray[np.int32]
    numbers: tuple[NDArray[np.int64], ...]
    """The four columns of bytes."""


class SplitIndex:
    """The index of a split.

    Raises:
        InputError: the file is absent, damaged, or of another version.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / INDEX_FILE
        if not path.is_file():
            raise InputError(f"{path}: not there. Run the shards stage of this data set first.")
        try:
            reader = pa.ipc.open_file(pa.memory_map(str(path)))
            batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
        except (OSError, pa.ArrowException) as error:
            raise _not_an_index(path, str(error)) from error
        if reader.schema != SPLIT_INDEX:
            raise _not_an_index(path, "it has other columns")
        self._shards = [_shard_of(batch) for batch in batches]
        self.sizes = [batch.num_rows for batch in batches]
        """Samples of each tar."""
        self._ends = np.cumsum(self.sizes)
        self.classes: pa.Array = (
            batches[0].column("class_id").dictionary if batches else pa.array([], pa.string())
        )
        """The distinct class ids, sorted."""

    def __len__(self) -> int:
        return int(self._ends[-1]) if self.sizes else 0

    def place(self, index: int) -> Place:
        """Of sample number ``index``.

        Raises:
            IndexError: there is no such sample.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        shard = int(np.searchsorted(self._ends, index, side="right"))
        one = self._shards[shard]
        row = index - int(self._ends[shard]) + self.sizes[shard]
        numbers = (int(column[row]) for column in one.numbers)
        class_id = self.classes[int(one.codes[row])].as_py()
        return Place(shard, one.image_ids[row].as_py(), class_id, *numbers)

    def image_ids(self) -> list[str]:
        """Of all samples: a list of Python texts, made anew at each call."""
        return [text for shard in self._shards for text in shard.image_ids.to_pylist()]

    def class_numbers(self) -> NDArray[np.int32]:
        """Of all samples: places in ``classes``."""
        return np.concatenate([np.zeros(0, np.int32), *(one.codes for one in self._shards)])

    def jpg_sizes(self) -> NDArray[np.int64]:
        """Bytes of each sample's image."""
        return np.concatenate([np.zeros(0, np.int64), *(one.numbers[1] for one in self._shards)])


def _shard_of(batch: pa.RecordBatch) -> _Shard:
    return _Shard(
        batch.column("image_id"),
        batch.column("class_id").indices.to_numpy(),
        tuple(batch.column(name).to_numpy() for name in SPLIT_INDEX.names[2:]),
    )


def _not_an_index(path: Path, reason: str) -> InputError:
    return InputError(
        f"{path}: not a readable index ({reason}). Delete it and run the shards stage again."
    )
