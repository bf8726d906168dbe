"""Tables of image URLs."""

from collections.abc import Iterator
from dataclasses import dataclass

from nicheclip.config.source_files import table_columns
from nicheclip.config.sources import TableSource
from nicheclip.config.url_source import UrlsSource
from nicheclip.data.sources.base import Part, SourceSetting
from nicheclip.data.sources.fetched import FetchedImages
from nicheclip.data.sources.table import Row, table_rows
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.paths import expand_path


@dataclass(frozen=True)
class UrlImages(FetchedImages):
    """The images of a ``urls`` source in the order of its rows; a key is the URL."""

    source: UrlsSource

    def prepare(self, part: Part) -> None:
        """Look for the column of URLs.

        Raises:
            InputError: it is absent; with the user's name of it.
        """
        del part
        file, wanted = self.source.path, self.source.columns.get("url", "url")
        names = table_columns(expand_path(file), self.source.delimiter, self.source.encoding)
        if names and wanted not in names:
            raise InputError(
                f"{file}: no column {wanted!r} among {names}. Say which column has the URLs: "
                "columns: {url: NAME}."
            )

    def table(self, part: Part) -> Iterator[Row]:
        """See ``FetchedImages``."""
        del part
        columns = {str(ours): theirs for ours, theirs in self.source.columns.items()}
        columns["path"] = columns.pop("url", "url")
        options = self.source.model_dump(include={"path", "delimiter", "encoding"})
        table = TableSource.model_validate({"kind": "table", "columns": columns} | options)
        return (row for _, row in table_rows(table))


def open_images(source: UrlsSource, setting: SourceSetting) -> UrlImages:
    """The images of ``source``."""
    return UrlImages(source, expand_path(source.downloads) / setting.name)
