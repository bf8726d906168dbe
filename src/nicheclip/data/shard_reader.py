"""Random access to the samples of one split's shards."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import read_json
from nicheclip.schemas import SHARD_INDEX, SIZES_FILE, read_table


@dataclass(frozen=True)
class ShardSample:
    """One image with its texts."""

    image_id: str
    class_id: str
    name: str
    """The class as a person would write it."""
    jpg: bytes
    texts: dict[str, str]
    """By text type."""


class ShardSet:
    """All samples of a folder of shards, in the order of the tars and of their members.

    ``sizes.json`` says which tars belong to it: others, left by a config with more shards, are not
    read. Only the indexes are read at first, a sample's bytes when it is asked for. Objects can be
    pickled and used in several processes.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        sizes = self.folder / SIZES_FILE
        if not sizes.is_file():
            raise InputError(f"{sizes}: not there. Run the shards stage of this data set first.")
        self.tars = [self.folder / name for name in sorted(read_json(sizes))]
        tables = [read_table(tar.with_suffix(".parquet"), SHARD_INDEX) for tar in self.tars]
        self.shard_sizes = [table.num_rows for table in tables]
        table = pa.concat_tables(tables)
        self.image_ids: list[str] = table["image_id"].to_pylist()
        self.class_ids: list[str] = table["class_id"].to_pylist()
        self._places = np.stack(
            [table[name].to_numpy() for name in SHARD_INDEX.names[2:]],
            axis=1,
        )
        self._shards = np.repeat(np.arange(len(tables)), self.shard_sizes)
        self._handles: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self.image_ids)

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_handles": {}}  # file handles belong to one process

    def read(self, index: int) -> ShardSample:
        """Sample number ``index``.

        Raises:
            InputError: the tar is shorter than its index says.
        """
        jpg_offset, jpg_size, json_offset, json_size = (int(n) for n in self._places[index])
        shard = int(self._shards[index])
        description = json.loads(self._bytes(shard, json_offset, json_size))
        return ShardSample(
            image_id=self.image_ids[index],
            class_id=self.class_ids[index],
            name=description["name"],
            jpg=self._bytes(shard, jpg_offset, jpg_size),
            texts=description["texts"],
        )

    def read_texts(self, index: int) -> dict[str, str]:
        """The texts of sample number ``index``, by text type; its image is not read."""
        _, _, offset, size = (int(n) for n in self._places[index])
        texts: dict[str, str] = json.loads(self._bytes(int(self._shards[index]), offset, size))[
            "texts"
        ]
        return texts

    @property
    def jpg_sizes(self) -> list[int]:
        """Bytes of each sample's image."""
        return [int(size) for size in self._places[:, 1]]

    def _bytes(self, shard: int, offset: int, size: int) -> bytes:
        if shard not in self._handles:
            self._handles[shard] = os.open(self.tars[shard], os.O_RDONLY)
        data = os.pread(self._handles[shard], size, offset)
        if len(data) != size:
            raise InputError(
                f"{self.tars[shard]}: ends before byte {offset + size}, which its index names. "
                "Delete the shard and run the shards stage again."
            )
        return data
