"""Random access to the samples of one split's shards."""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nicheclip.data.split_index import Place, SplitIndex
from nicheclip.runtime.errors import InputError
from nicheclip.schemas import INDEX_FILE

#: neighbours with no more bytes between them are read together ...
LARGEST_GAP = 64 << 10
#: ... up to so many bytes
LARGEST_READ = 16 << 20


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

    ``index.arrow`` says which tars belong to it: others, left by a config with more shards, are not
    read. It is mapped into memory and shared by all processes, so a set of any size costs each of
    them little; a sample's bytes are read when it is asked for. A pickled set is its folder.

    Raises:
        InputError: the folder has no index, or a damaged one.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self._index = SplitIndex(self.folder)
        self._handles: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._index)

    def __getstate__(self) -> dict[str, object]:
        return {"folder": self.folder}

    def __setstate__(self, state: dict[str, Path]) -> None:
        self.__init__(state["folder"])  # type: ignore[misc]

    @property
    def index_file(self) -> Path:
        """Says where every sample lies: its digest stands for the set."""
        return self.folder / INDEX_FILE

    @property
    def tars(self) -> list[Path]:
        """In the order of the samples."""
        return [self._tar(shard) for shard in range(len(self._index.sizes))]

    @property
    def shard_sizes(self) -> list[int]:
        """Samples of each tar."""
        return self._index.sizes

    @property
    def classes(self) -> list[str]:
        """The distinct class ids, sorted."""
        ids: list[str] = self._index.classes.to_pylist()
        return ids

    @property
    def image_ids(self) -> list[str]:
        """Of all samples; made anew at each call, for splits that are judged."""
        return self._index.image_ids()

    @property
    def class_ids(self) -> list[str]:
        """Of all samples; made anew at each call, for splits that are judged."""
        classes = self.classes
        return [classes[number] for number in self._index.class_numbers()]

    @property
    def jpg_sizes(self) -> NDArray[np.int64]:
        """Bytes of each sample's image."""
        return self._index.jpg_sizes()

    def image_id(self, index: int) -> str:
        """Of sample number ``index``."""
        return self._index.place(index).image_id

    def read(self, index: int) -> ShardSample:
        """Sample number ``index``.

        Raises:
            InputError: the tar is shorter than its index says.
            IndexError: there is no such sample.
        """
        return next(self.read_many([index]))

    def read_many(self, indices: Iterable[int]) -> Iterator[ShardSample]:
        """Samples by their numbers, in the order asked for; neighbours in a tar are read together.

        All their bytes are in memory at once.

        Raises:
            InputError: a tar is shorter than its index says.
            IndexError: there is no such sample.
        """
        places = [self._index.place(int(index)) for index in indices]
        order = sorted(range(len(places)), key=lambda i: (places[i].shard, places[i].jpg_offset))
        samples: dict[int, ShardSample] = {}
        for group in _neighbours(order, places):
            first = places[group[0]]
            data = self._bytes(first.shard, first.jpg_offset, _end(places[group[-1]]))
            for number in group:
                samples[number] = _sample(places[number], data, first.jpg_offset)
        return (samples[number] for number in range(len(places)))

    def read_texts(self, index: int) -> dict[str, str]:
        """The texts of sample number ``index``, by text type; its image is not read."""
        place = self._index.place(index)
        data = self._bytes(place.shard, place.json_offset, place.json_offset + place.json_size)
        texts: dict[str, str] = json.loads(data)["texts"]
        return texts

    def _tar(self, shard: int) -> Path:
        return self.folder / f"{shard:05d}.tar"

    def _bytes(self, shard: int, start: int, end: int) -> bytes:
        if shard not in self._handles:
            self._handles[shard] = os.open(self._tar(shard), os.O_RDONLY)
        data = os.pread(self._handles[shard], end - start, start)
        if len(data) != end - start:
            raise InputError(
                f"{self._tar(shard)}: ends before byte {end}, which its index names. "
                "Delete the shard and run the shards stage again."
            )
        return data


def has_shards(folder: Path) -> bool:
    """Whether a ``ShardSet`` lies in ``folder``."""
    return (folder / INDEX_FILE).is_file()


def _end(place: Place) -> int:
    return place.json_offset + place.json_size


def _neighbours(order: Sequence[int], places: Sequence[Place]) -> Iterator[list[int]]:
    """``order`` cut where the next sample lies in another tar, or too far away."""
    group: list[int] = []
    for number in order:
        place = places[number]
        if group:
            first, last = places[group[0]], places[group[-1]]
            near = place.shard == last.shard and place.jpg_offset - _end(last) <= LARGEST_GAP
            if not near or _end(place) - first.jpg_offset > LARGEST_READ:
                yield group
                group = []
        group.append(number)
    if group:
        yield group


def _sample(place: Place, data: bytes, start: int) -> ShardSample:
    """From ``data``, which begins at byte ``start`` of the tar."""
    jpg, text = place.jpg_offset - start, place.json_offset - start
    description = json.loads(data[text : text + place.json_size])
    return ShardSample(
        image_id=place.image_id,
        class_id=place.class_id,
        name=description["name"],
        jpg=data[jpg : jpg + place.jpg_size],
        texts=description["texts"],
    )
