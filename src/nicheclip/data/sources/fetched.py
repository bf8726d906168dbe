"""Images by their URLs: fetched by host, and read in the order of what lists them."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from nicheclip.config.url_source import UrlFetching
from nicheclip.data import url_fetch
from nicheclip.data.fetch_ahead import fetch_nothing, fetching
from nicheclip.data.row_stream import RowStream
from nicheclip.data.sources.base import Item, Part, SourceImage, clean_label
from nicheclip.data.sources.columns import extra_fields
from nicheclip.data.sources.table import Row
from nicheclip.data.url_asking import host_of
from nicheclip.data.url_outcomes import OUTCOMES, Address, Failure, Ledger, Outcome, part_name
from nicheclip.runtime.files import atomic_path
from nicheclip.runtime.locks import locked
from nicheclip.runtime.manifest import Dropped
from nicheclip.runtime.network import is_offline
from nicheclip.runtime.seeding import stable_hash


@dataclass(frozen=True)
class FetchedImages:
    """Images in the order of the rows that list them; a key is the URL."""

    source: UrlFetching
    folder: Path
    """Where the images and outcomes of each part are kept."""

    def table(self, part: Part) -> Iterator[Row]:
        """All rows, whichever part they belong to: the URL is ``path``; read twice
        at the same time."""
        raise NotImplementedError

    def prepare(self, part: Part) -> None:
        """What is needed before ``table``; the part's folder is there, and locked."""

    def part_folder(self, part: Part) -> Path:
        """Where the images and outcomes of a part are kept."""
        return self.folder / part_name(part.number, part.of)

    def items(self, part: Part) -> Iterator[Item]:
        """See ``ImageSource``; a part takes all rows of every so many hosts, and its share of those
        that are spread over all parts. Images are given while others are still fetched."""
        folder = self.part_folder(part)
        folder.mkdir(parents=True, exist_ok=True)
        with (
            locked(folder / "lock"),
            Ledger(folder, try_again=not is_offline()) as ledger,
        ):
            self.prepare(part)
            fetch = partial(
                fetch_nothing if is_offline() else url_fetch.fetch,
                self._wanted(part),
                self.source,
                ledger,
                parts=part.of,
                label=f"fetch part {part.number + 1} of {part.of}",
            )
            with (
                atomic_path(folder / "outcomes.parquet") as path,
                RowStream(path, OUTCOMES) as outcomes,
                fetching(fetch, ledger) as outcome_of,
            ):
                yield from self._read(part, ledger, outcome_of, outcomes)

    def _wanted(self, part: Part) -> Iterator[Address]:
        """What must be asked for."""
        for _, row in self._rows(part):
            if isinstance(row, dict) and clean_label(row["label"]):
                yield self._address(row)

    def _address(self, row: dict[str, str]) -> Address:
        return Address.of(row["path"], self.source.not_secret)

    def _read(
        self,
        part: Part,
        ledger: Ledger,
        outcome_of: Callable[[Address], Outcome],
        outcomes: RowStream,
    ) -> Iterator[Item]:
        seen: set[bytes] = set()
        for place, row in self._rows(part):
            if isinstance(row, str):
                yield place, Dropped(key=f"row {place + 1}", reason=row)
                continue
            address = self._address(row)
            label = clean_label(row["label"])
            if label:
                digest = hashlib.blake2b(address.shown.encode(), digest_size=8).digest()
                if digest in seen:
                    yield place, _dropped_twice(place, address)
                    continue
                seen.add(digest)
                outcome = outcome_of(address)
            else:
                outcome = Outcome(failure=Failure.NO_LABEL, detail="empty label")
            outcomes.add(_outcome_row(place, address, outcome, row.get("licence") or None))
            yield place, self._image(row, address, place, outcome, ledger)

    def _image(
        self, row: dict[str, str], address: Address, place: int, outcome: Outcome, ledger: Ledger
    ) -> SourceImage | Dropped:
        if outcome.failure:
            no_label = outcome.failure == Failure.NO_LABEL
            reason = outcome.detail if no_label else f"{outcome.failure}: {outcome.detail}"
            return Dropped(key=address.shown or f"row {place + 1}", reason=reason)
        extra = extra_fields(row, where=f"{self.source.path}, row {place + 1}")
        extra["url"] = address.shown
        label = clean_label(row["label"])
        return SourceImage(address.shown, ledger.image(outcome), label, **extra)

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


def _dropped_twice(place: int, address: Address) -> Dropped:
    reason = "the URL of another row"
    if address.secret:
        reason += ", but for a token: if it is none, name its parameter in not_secret"
    return Dropped(key=f"row {place + 1}: {address.shown}", reason=reason)


def _outcome_row(
    place: int, address: Address, outcome: Outcome, licence: str | None
) -> dict[str, object]:
    return {
        "position": place,
        "url": address.shown,
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
