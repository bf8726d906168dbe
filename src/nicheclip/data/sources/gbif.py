"""GBIF's archives of occurrences, whose images are fetched by their URLs."""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow.parquet as pq

from nicheclip.config.url_source import GbifSource
from nicheclip.data.occurrences import write_media_rows
from nicheclip.data.sources.base import Part, SourceSetting
from nicheclip.data.sources.fetched import FetchedImages
from nicheclip.data.sources.table import ROWS_AT_ONCE, Row
from nicheclip.runtime.paths import expand_path

ROWS = "rows.parquet"


@dataclass(frozen=True)
class GbifImages(FetchedImages):
    """The images of a ``gbif`` source in the order of its multimedia; a key is the URL."""

    source: GbifSource

    def prepare(self, part: Part) -> None:
        """Join the archive's tables, once for both readings; see ``FetchedImages``."""
        path = self.part_folder(part) / ROWS
        write_media_rows(expand_path(self.source.path), self.source.rank, path)

    def table(self, part: Part) -> Iterator[Row]:
        """See ``FetchedImages``."""
        with pq.ParquetFile(self.part_folder(part) / ROWS) as rows:
            for batch in rows.iter_batches(ROWS_AT_ONCE):
                for row in batch.to_pylist():
                    yield row.pop("reason") or row


def open_images(source: GbifSource, setting: SourceSetting) -> GbifImages:
    """The images of ``source``."""
    return GbifImages(source, expand_path(source.downloads) / setting.name)
