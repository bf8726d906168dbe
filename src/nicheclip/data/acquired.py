"""What acquiring writes of each image beside its bytes: a stream of rows, never the whole set."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nicheclip.data.image_tars import Places
from nicheclip.data.images import NormalisedImage
from nicheclip.data.sources.base import SourceImage
from nicheclip.schemas import ACQUIRED
from nicheclip.terms import RANKS

#: rows that are held until they are written
ROWS_AT_ONCE = 8192
PARQUET = {"compression": "zstd"}


class RowStream:
    """Writes rows of a schema to a Parquet file; the same rows give the same bytes."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._schema = schema
        self._writer = pq.ParquetWriter(path, schema, **PARQUET)
        self._rows: list[Mapping[str, Any]] = []

    def add(self, row: Mapping[str, Any]) -> None:
        """Append a row."""
        self._rows.append(row)
        if len(self._rows) == ROWS_AT_ONCE:
            self._flush()

    def __enter__(self) -> "RowStream":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None and self._rows:
            self._flush()
        self._writer.close()

    def _flush(self) -> None:
        self._writer.write_table(pa.Table.from_pylist(list(self._rows), schema=self._schema))
        self._rows = []


def acquired_row(
    image: SourceImage, stored: NormalisedImage, position: int, image_id: str, sha256: str
) -> dict[str, Any]:
    """A row of schema ``ACQUIRED``, but for the place of the image's bytes."""
    attributes = dict(image.attributes)
    return {
        "position": position,
        "image_id": image_id,
        "key": image.key,
        "sha256": sha256,
        "phash": stored.phash,
        "width": stored.width,
        "height": stored.height,
        "split": image.split,
        "group": image.group,
        "class_id": image.label,
        "name": image.name or image.label,
        **{rank: image.lineage.get(rank, "") for rank in RANKS},
        "common": image.common,
        "licence": image.licence,
        "rights_holder": image.rights_holder,
        "url": image.url,
        "attributes": json.dumps(attributes, sort_keys=True) if attributes else None,
        "converted": list(stored.converted),
    }


def write_with_places(rows: Path, target: Path, places: Places, *, first_tar: int) -> None:
    """Copy ``rows`` (schema ``ACQUIRED``) to ``target`` with the places of the images' bytes.

    Args:
        rows: in the order of ``places``.
        target: written.
        places: of all rows.
        first_tar: number of the part's first tar.
    """
    start = 0
    with pq.ParquetFile(rows) as file, pq.ParquetWriter(target, ACQUIRED, **PARQUET) as writer:
        for batch in file.iter_batches(ROWS_AT_ONCE):
            here = slice(start, start + batch.num_rows)
            columns = {name: batch.column(name) for name in ACQUIRED.names} | {
                "tar": pa.array(places.tar[here] + np.int32(first_tar)),
                "offset": pa.array(places.offset[here]),
                "size": pa.array(places.size[here]),
            }
            writer.write_table(pa.table(columns, schema=ACQUIRED))
            start += batch.num_rows
