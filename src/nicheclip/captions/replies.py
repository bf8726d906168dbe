"""The file of a server's replies, between the job that asks and the one that judges."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from operator import attrgetter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from nicheclip.captions.backend import Reply, Request
from nicheclip.runtime.files import atomic_path
from nicheclip.schemas import REPLIES, reading_parquet

ROWS_AT_ONCE = 10_000

_OF_REQUEST = ("class_id", "image_id", "sample", "variants", "prompt")
_OF_REPLY = tuple(name for name in REPLIES.names if name not in _OF_REQUEST)
_REQUEST, _REPLY = attrgetter(*_OF_REQUEST), attrgetter(*_OF_REPLY)


def write_replies(target: Path, replies: Iterable[tuple[Request, Reply]]) -> None:
    """Write ``replies`` in their order (schema ``REPLIES``); few are in memory at a time."""
    left = iter(replies)
    with (
        atomic_path(target) as temporary,
        pq.ParquetWriter(
            temporary, REPLIES, compression="zstd", write_page_checksum=True
        ) as writer,
    ):
        while batch := list(islice(left, ROWS_AT_ONCE)):
            rows = (_REQUEST(request) + _REPLY(reply) for request, reply in batch)
            columns = dict(zip(_OF_REQUEST + _OF_REPLY, zip(*rows, strict=True), strict=True))
            writer.write_table(pa.Table.from_pydict(columns, schema=REPLIES))


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
