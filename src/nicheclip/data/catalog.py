"""The catalog and the classes of a data set, gathered image by image."""

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

import polars as pl
import pyarrow as pa

from nicheclip.config.data import SplitConfig
from nicheclip.data.images import NormalisedImage
from nicheclip.data.parts import part_of
from nicheclip.data.sources.base import SourceImage
from nicheclip.data.splits import given_split, hash_splits
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.manifest import Dropped
from nicheclip.schemas import CATALOG, CLASSES
from nicheclip.terms import RANKS


def image_id(source: str, key: str) -> str:
    """First 16 hex digits of sha256 over the data set's name, a zero byte and the key."""
    return hashlib.sha256(f"{source}\0{key}".encode()).hexdigest()[:16]


class _Row(NamedTuple):
    """A row of ``CATALOG``."""

    image_id: str
    source: str
    key: str
    sha256: str
    width: int
    height: int
    split: str | None
    class_id: str
    licence: str | None
    rights_holder: str | None
    url: str | None
    attributes: str | None
    part: int


@dataclass
class _Class:
    name: str
    common: str = ""
    images: int = 0
    ranks: dict[str, str] = field(default_factory=dict)
    """A rank on whose name the images disagree has the empty name for good."""

    def add(self, image: SourceImage) -> None:
        self.images += 1
        self.common = self.common or image.common
        for rank, name in image.lineage.items():
            if name and self.ranks.setdefault(rank, name) != name:
                self.ranks[rank] = ""


class CatalogBuilder:
    """Takes kept images in their order; holds their rows, not their bytes.

    Of images with the same bytes the first stays. A later one under another label is dropped too:
    its class cannot be judged, and the first may already have left for its part.
    """

    def __init__(self, source: str, split: SplitConfig, parts: int) -> None:
        self._source = source
        self._split = split
        self._parts = parts
        self._rows: list[_Row] = []
        self._row_of_id: dict[str, int] = {}
        self._row_of_digest: dict[bytes, int] = {}
        self._classes: dict[str, _Class] = {}
        self.dropped: list[Dropped] = []
        self.converted: Counter[str] = Counter()

    def drop(self, dropped: Dropped) -> None:
        """Note an image that was left out."""
        self.dropped.append(dropped)

    def add(
        self, image: SourceImage, stored: NormalisedImage, sha256: str
    ) -> tuple[int, str] | None:
        """Note a kept image.

        Returns:
            Its part and its id, or None if it repeats an earlier image.

        Raises:
            InputError: the source names the key twice, or no split where one must be given.
        """
        identity = image_id(self._source, image.key)
        if identity in self._row_of_id:
            self._same_id(image.key, self._rows[self._row_of_id[identity]].key)
        if self._split.method == "given":
            given_split(image.split, key=image.key)
        digest = bytes.fromhex(sha256)
        if digest in self._row_of_digest:
            self._duplicate(image, self._rows[self._row_of_digest[digest]])
            return None
        self._row_of_id[identity] = self._row_of_digest[digest] = len(self._rows)
        part = part_of(identity, self._parts)
        self._rows.append(
            _Row(
                identity,
                self._source,
                image.key,
                sha256,
                stored.width,
                stored.height,
                image.split,
                image.label,
                image.licence,
                image.rights_holder,
                image.url,
                json.dumps(dict(image.attributes), sort_keys=True) if image.attributes else None,
                part,
            )
        )
        self._classes.setdefault(image.label, _Class(image.name or image.label)).add(image)
        self.converted.update(stored.converted)
        return part, identity

    def catalog(self, *, seed: int) -> pa.Table:
        """All kept images by id (schema ``CATALOG``).

        Raises:
            InputError: fewer than two classes are left.
        """
        if len(self._classes) < 2:
            raise InputError(self._too_few())
        frame = pl.DataFrame(self._rows, schema=_COLUMN_TYPES, orient="row")
        if self._split.method == "hash":
            ids, labels = frame["image_id"].to_list(), frame["class_id"].to_list()
            splits = hash_splits(ids, labels, self._split, seed=seed)
            frame = frame.with_columns(pl.Series("split", splits))
        return frame.sort("image_id").select(CATALOG.names).to_arrow().cast(CATALOG)

    def classes(self) -> pa.Table:
        """All classes by id (schema ``CLASSES``)."""
        rows = [
            {
                "class_id": label,
                "name": one.name,
                **{rank: one.ranks.get(rank, "") for rank in RANKS},
                "common": one.common,
                "images": one.images,
            }
            for label, one in sorted(self._classes.items())
        ]
        return pa.Table.from_pylist(rows, schema=CLASSES)

    def _same_id(self, key: str, other: str) -> None:
        if key == other:
            raise InputError(
                f"{self._source}: the source names {key!r} twice. Remove one of the two."
            )
        raise InputError(
            f"{self._source}: {key!r} and {other!r} have the same id. Rename one of the two files."
        )

    def _duplicate(self, image: SourceImage, first: _Row) -> None:
        if image.label == first.class_id:
            key, reason = f"{image.key} = {first.key}", "duplicate of another image"
        else:
            key = f"{image.key} ({image.label}) = {first.key} ({first.class_id})"
            reason = "duplicate with another label"
        self.drop(Dropped(key=key, reason=reason))

    def _too_few(self) -> str:
        reasons = Counter(dropped.reason for dropped in self.dropped)
        summary = "; ".join(f"{count} x {reason}" for reason, count in reasons.most_common())
        classes = ", ".join(self._classes) or "no class"
        return (
            f"{self._source}: {len(self._rows)} images are left, of {classes}; at least two "
            f"classes are needed. Dropped: {summary or 'nothing'}. Check the source's path and "
            "layout."
        )


_COLUMN_TYPES = {
    name: pl.Int32 if name in ("width", "height", "part") else pl.String for name in _Row._fields
}
