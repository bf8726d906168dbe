"""The file of a server's replies, between the job that asks and the one that judges."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from nicheclip.captions.backend import Reply, Request
from nicheclip.runtime.files import atomic_path
from nicheclip.schemas import REPLIES, reading_parquet

ROWS_AT_ONCE = 10_000


def write_replies(target: Path, replies: Iterable[tuple[Request, Reply]]) -> None:
    """Write ``replies`` in their order (schema ``REPLIES``); few are in memory at a time."""
    rows = (_row(request, reply) for request, reply in replies)
    with (
        atomic_path(target) as temporary,
        pq.ParquetWriter(
            temporary, REPLIES, compression="zstd", write_page_checksum=True
        ) as writer,
    ):
        while batch := list(islice(rows, ROWS_AT_ONCE)):
            writer.write_table(pa.Table.from_pylist(batch, schema=REPLIES))


def _row(request: Request, reply: Reply) -> dict[str, Any]:
    return {
        "class_id": request.class_id,
        "image_id": request.image_id,
        "sample": request.sample,
        "variants": request.variants,
        "prompt": request.prompt,
        **vars(reply),
    }


def read_replies(files: Sequence[Path]) -> Iterator[tuple[Request, Reply]]:
    """What ``write_replies`` wrote, part after part; without images and seeds."""
    for file in files:
        with (
            reading_parquet(file),
            pq.ParquetFile(file, page_checksum_verification=True) as opened,
        ):
            for batch in opened.iter_batches(ROWS_AT_ONCE):
                for row in batch.to_pylist():
                    request = Request(
                        class_id=row.pop("class_id"),
                        image_id=row.pop("image_id"),
                        sample=row.pop("sample"),
                        prompt=row.pop("prompt"),
                        image=None,
                        seed=0,
                        variants=row.pop("variants"),
                    )
                    yield request, Reply(**row)
