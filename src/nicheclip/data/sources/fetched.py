"""Images by their URLs: fetched first, by host, then read in the order of what lists them."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from nicheclip.config.url_source import UrlFetching
from nicheclip.data.row_stream import RowStream
from nicheclip.data.sources.base import Item, Part, SourceImage, clean_label
from nicheclip.data.sources.columns import extra_fields
from nicheclip.data.sources.table import Row
from nicheclip.data.url_fetch import fetch, host_of
from nicheclip.data.url_outcomes import OUTCOMES, Failure, Ledger, Outcome
from nicheclip.runtime.credentials import masked
from nicheclip.runtime.files import atomic_path
from nicheclip.runtime.locks import locked
from nicheclip.runtime.manifest import Dropped
from nicheclip.runtime.seeding import stable_hash


@dataclass(frozen=True)
class FetchedImages:
    """Images in the order of the rows that list them; a key is the URL."""

    source: UrlFetching
    folder: Path
    """Where the images and outcomes of each part are kept."""

    def table(self, part: Part) -> Iterator[Row]:
        """All rows, whichever part they belong to: the URL is ``path``; read twice."""
        raise NotImplementedError

    def prepare(self, part: Part) -> None:
        """What is needed before ``table``; the part's folder is there, and locked."""

    def part_folder(self, part: Part) -> Path:
        """Where the images and outcomes of a part are kept."""
        return self.folder / f"urls-{part.number}-of-{part.of}"

    def items(self, part: Part) -> Iterator[Item]:
        """See ``ImageSource``; a part takes all rows of every so many hosts, and its share of those
        that are spread over all parts."""
        folder = self.part_folder(part)
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / "lock"), Ledger(folder) as ledger:
            self.prepare(part)
            wanted = (row["path"].strip() for _, row in self._rows(part) if isinstance(row, dict))
            label = f"fetch part {part.number + 1} of {part.of}"
            fetch(wanted, self.source, ledger, parts=part.of, label=label)
            with (
                atomic_path(folder / "outcomes.parquet") as path,
                RowStream(path, OUTCOMES) as outcomes,
            ):
                yield from self._read(part, ledger, outcomes)

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
        for place, row in enumerate(self.table(part)):
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
