"""Tables of image URLs: fetched first, by host, then read in the order of the table."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from nicheclip.config.source_files import table_columns
from nicheclip.config.sources import TableSource
from nicheclip.config.url_source import UrlsSource
from nicheclip.data.row_stream import RowStream
from nicheclip.data.sources.base import Item, Part, SourceImage, SourceSetting, clean_label
from nicheclip.data.sources.columns import extra_fields
from nicheclip.data.sources.table import Row, table_rows
from nicheclip.data.url_fetch import fetch, host_of
from nicheclip.data.url_outcomes import OUTCOMES, Failure, Ledger, Outcome
from nicheclip.runtime.credentials import masked
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import atomic_path
from nicheclip.runtime.locks import locked
from nicheclip.runtime.manifest import Dropped
from nicheclip.runtime.paths import expand_path
from nicheclip.runtime.seeding import stable_hash


@dataclass(frozen=True)
class UrlImages:
    """The images of a ``urls`` source in the order of its rows; a key is the URL."""

    source: UrlsSource
    folder: Path
    """Where the images and outcomes of each part are kept."""

    def items(self, part: Part) -> Iterator[Item]:
        """See ``ImageSource``; a part takes all rows of every so many hosts, and its share of those
        that are spread over all parts."""
        self._check_column()
        folder = self.folder / f"urls-{part.number}-of-{part.of}"
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / "lock"), Ledger(folder) as ledger:
            wanted = (row["path"].strip() for _, row in self._rows(part) if isinstance(row, dict))
            label = f"fetch part {part.number + 1} of {part.of}"
            fetch(wanted, self.source, ledger, parts=part.of, label=label)
            with (
                atomic_path(folder / "outcomes.parquet") as path,
                RowStream(path, OUTCOMES) as outcomes,
            ):
                yield from self._read(part, ledger, outcomes)

    def _check_column(self) -> None:
        """Raises InputError, with our name of it, where the column of URLs is absent."""
        file, wanted = self.source.path, self.source.columns.get("url", "url")
        names = table_columns(expand_path(file), self.source.delimiter, self.source.encoding)
        if names and wanted not in names:
            raise InputError(
                f"{file}: no column {wanted!r} among {names}. Say which column has the URLs: "
                "columns: {url: NAME}."
            )

    def _read(self, part: Part, ledger: Ledger, outcomes: RowStream) -> Iterator[Item]:
        seen: set[bytes] = set()
        for place, row in self._rows(part):
            if isinstance(row, str):
                yield place, Dropped(key=f"row {place + 1}", reason=row)
                continue
            url = row["path"].strip()
            digest = hashlib.blake2b(url.encode(), digest_size=8).digest()
            if digest in seen:
                yield place, Dropped(key=f"row {place + 1}: {url}", reason="the URL of another row")
                continue
            seen.add(digest)
            outcome = ledger.get(url) or Outcome()
            outcomes.add(_outcome_row(place, url, outcome, row.get("licence") or None))
            yield place, self._image(row, url, place, outcome, ledger)

    def _image(
        self, row: dict[str, str], url: str, place: int, outcome: Outcome, ledger: Ledger
    ) -> SourceImage | Dropped:
        if outcome.failure:
            reason = f"{outcome.failure}: {outcome.detail}"
            return Dropped(key=masked(url) or f"row {place + 1}", reason=reason)
        if not (label := clean_label(row["label"])):
            return Dropped(key=url, reason="empty label")
        extra = extra_fields(row, where=f"{self.source.path}, row {place + 1}")
        extra["url"] = url
        return SourceImage(url, ledger.image(outcome), label, **extra)

    def _rows(self, part: Part) -> Iterator[tuple[int, Row]]:
        """(place, row) of the rows of a part."""
        columns = {str(ours): theirs for ours, theirs in self.source.columns.items()}
        columns["path"] = columns.pop("url", "url")
        options = self.source.model_dump(include={"path", "delimiter", "encoding"})
        table = TableSource.model_validate({"kind": "table", "columns": columns} | options)
        for place, (_, row) in enumerate(table_rows(table)):
            if self._holds(part, place, row):
                yield place, row

    def _holds(self, part: Part, place: int, row: Row) -> bool:
        host = host_of(row["path"].strip()) if isinstance(row, dict) else ""
        if not host:
            return part.holds(place)
        name = urlsplit(host).hostname
        if name in self.source.spread:
            url = row["path"].strip() if isinstance(row, dict) else ""
            return stable_hash("url", url) % part.of == part.number
        return stable_hash("host", name) % part.of == part.number


def _outcome_row(place: int, url: str, outcome: Outcome, licence: str | None) -> dict[str, object]:
    return {
        "position": place,
        "url": masked(url) if outcome.failure == Failure.BAD_URL else url,
        "status": outcome.status,
        "bytes": outcome.size,
        "sha256": outcome.sha256 or None,
        "width": outcome.width or None,
        "height": outcome.height or None,
        "failure": outcome.failure or None,
        "detail": outcome.detail or None,
        "attempts": outcome.attempts,
        "licence": licence,
    }


def open_images(source: UrlsSource, setting: SourceSetting) -> UrlImages:
    """The images of ``source``."""
    return UrlImages(source, expand_path(source.downloads) / setting.name)
