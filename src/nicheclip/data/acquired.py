"""What acquiring writes of each image beside its bytes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nicheclip.data.image_tars import Places
from nicheclip.data.images import NormalisedImage
from nicheclip.data.row_stream import PARQUET, ROWS_AT_ONCE
from nicheclip.data.sources.base import SourceImage
from nicheclip.schemas import ACQUIRED
from nicheclip.terms import RANKS


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
