"""The images of a split, without any label: random access to their encoded bytes."""

import os
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from nicheclip.data.image_tars import TAR_BLOCK, member_name
from nicheclip.data.mapped import MappedTable
from nicheclip.runtime.errors import InputError
from nicheclip.schemas import IMAGE_INDEX

#: in a split's folder: where each image lies (schema ``IMAGE_INDEX``)
INDEX_FILE = "images.arrow"

#: neighbours with no more bytes between them are read together ...
LARGEST_GAP = 64 << 10
#: ... up to so many bytes
LARGEST_READ = 16 << 20
#: tars that are kept open
OPEN_TARS = 64
#: bytes of a tar's header that hold the member's name
NAME_BYTES = 100


@dataclass(frozen=True)
class EncodedImage:
    """One image as it is stored."""

    image_id: str
    encoded: bytes


class Place(NamedTuple):
    """Where an image lies in its tar, in bytes."""

    tar: int
    image_id: str
    offset: int
    size: int

    @property
    def start(self) -> int:
        """Of the member: its header comes first."""
        return self.offset - TAR_BLOCK

    @property
    def end(self) -> int:
        """After the last byte."""
        return self.offset + self.size


class ImageSet:
    """The images of a split's folder, in the order of the tars and of their members.

    The index is mapped into memory and shared by all processes, so a set of any size costs each of
    them little; an image's bytes are read when it is asked for. A pickled set is its folder. Labels
    and texts are other files, whose rows have the same numbers.

    Raises:
        InputError: the folder has no index, or a damaged one.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self._index = MappedTable(self.folder / INDEX_FILE, IMAGE_INDEX)
        columns = ("offset", "size")
        self._numbers = [
            tuple(batch.column(name).to_numpy() for name in columns)
            for batch in self._index.batches
        ]
        self._open: OrderedDict[int, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._index)

    def __reduce__(self) -> tuple[type["ImageSet"], tuple[Path]]:
        return ImageSet, (self.folder,)

    def __del__(self) -> None:
        for handle in getattr(self, "_open", {}).values():
            os.close(handle)

    @property
    def index_file(self) -> Path:
        """Says where every image lies: its digest stands for the set."""
        return self._index.path

    @property
    def tars(self) -> list[Path]:
        """In the order of the images."""
        return [self._tar(number) for number in range(len(self._index.sizes))]

    @property
    def tar_sizes(self) -> list[int]:
        """Images of the set in each tar."""
        return self._index.sizes

    @property
    def image_ids(self) -> list[str]:
        """Of all images; made anew at each call, for splits that are judged."""
        ids: list[str] = self._index.column("image_id").to_pylist()
        return ids

    def rows_of(self, image_ids: Sequence[str]) -> dict[str, int]:
        """The numbers of those of ``image_ids`` that are in the set."""
        ids = self._index.column("image_id")
        rows = pc.indices_nonzero(pc.is_in(ids, value_set=pa.array(image_ids, pa.string())))
        return dict(zip(ids.take(rows).to_pylist(), rows.to_pylist(), strict=True))

    @property
    def encoded_sizes(self) -> NDArray[np.int32]:
        """Bytes of each image."""
        return np.concatenate([np.zeros(0, np.int32), *(sizes for _, sizes in self._numbers)])

    def image_id(self, row: int) -> str:
        """Of image number ``row``."""
        return self._place(row).image_id

    def read(self, row: int) -> EncodedImage:
        """Image number ``row``.

        Raises:
            InputError: the tar is not there, or not the one that the index describes.
            IndexError: there is no such image.
        """
        return next(self.read_many([row]))

    def read_many(self, rows: Iterable[int]) -> Iterator[EncodedImage]:
        """Images by their numbers, in the order asked for; neighbours in a tar are read together.

        All their bytes are in memory at once.

        Raises:
            InputError: a tar is not there, or not the one that the index describes.
            IndexError: there is no such image.
        """
        places = [self._place(int(row)) for row in rows]
        order = sorted(range(len(places)), key=lambda i: (places[i].tar, places[i].offset))
        images: dict[int, EncodedImage] = {}
        for group in _neighbours(order, places):
            first = places[group[0]]
            data = self._bytes(first.tar, first.start, places[group[-1]].end)
            for number in group:
                images[number] = self._image(places[number], data, first.start)
        return (images[number] for number in range(len(places)))

    def _place(self, row: int) -> Place:
        batch, place = self._index.locate(row)
        offsets, sizes = self._numbers[batch]
        image_id = self._index.batches[batch].column("image_id")[place].as_py()
        return Place(batch, image_id, int(offsets[place]), int(sizes[place]))

    def _tar(self, number: int) -> Path:
        tars: list[str] = self._index.facts["tars"]
        return self.folder / tars[number]

    def _image(self, place: Place, data: bytes, start: int) -> EncodedImage:
        """From ``data``, which begins at byte ``start`` of the tar."""
        header = place.start - start
        name = data[header : header + NAME_BYTES].rstrip(b"\0").decode(errors="replace")
        first = place.offset - start
        encoded = data[first : first + place.size]
        expected = member_name(place.image_id, encoded)
        if name != expected:
            raise InputError(
                f"{self._tar(place.tar)}: has {name[:60]!r} at byte {place.start}, where "
                f"{self.index_file} says {expected!r}. {_REMEDY}"
            )
        return EncodedImage(place.image_id, encoded)

    def _bytes(self, tar: int, start: int, end: int) -> bytes:
        try:
            data = os.pread(self._handle(tar), end - start, start)
        except OSError as error:
            raise InputError(
                f"{self._tar(tar)}: cannot be read ({error.strerror}). {_REMEDY}"
            ) from error
        if len(data) != end - start:
            raise InputError(
                f"{self._tar(tar)}: ends before byte {end}, which {self.index_file} names. "
                f"{_REMEDY}"
            )
        return data

    def _handle(self, tar: int) -> int:
        """An open tar; the one that was not used for longest is closed for it."""
        if tar in self._open:
            self._open.move_to_end(tar)
            return self._open[tar]
        if len(self._open) == OPEN_TARS:
            os.close(self._open.popitem(last=False)[1])
        self._open[tar] = os.open(self._tar(tar), os.O_RDONLY | os.O_CLOEXEC)
        return self._open[tar]


_REMEDY = "Run the acquire stage of this data set again (delete its folder in results/acquire)."


def has_images(folder: Path) -> bool:
    """Whether an ``ImageSet`` lies in ``folder``."""
    return (folder / INDEX_FILE).is_file()


def _neighbours(order: Sequence[int], places: Sequence[Place]) -> Iterator[list[int]]:
    """``order`` cut where the next image lies in another tar, or too far away."""
    group: list[int] = []
    for number in order:
        place = places[number]
        if group:
            first, last = places[group[0]], places[group[-1]]
            near = place.tar == last.tar and place.start - last.end <= LARGEST_GAP
            if not near or place.end - first.start > LARGEST_READ:
                yield group
                group = []
        group.append(number)
    if group:
        yield group
