"""What became of each URL, kept so that a killed or repeated job asks for nothing twice.

A part has two files: the images one after the other, and a line of JSON for each outcome, written
when the image's bytes are. A line that a killed job left half is dropped with its image. Neither
has a secret of a URL in it.
"""

import hashlib
import json
import os
import re
import threading
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import IO

import pyarrow as pa

from nicheclip.runtime.credentials import HIDDEN, masked
from nicheclip.runtime.errors import InputError

#: of a token in an address: what would end it in a text, as a space or a quote does
_REST = re.compile(rf"(?<=={re.escape(HIDDEN)})[^&#]+")


@dataclass(frozen=True, slots=True)
class Address:
    """A URL, and how results show it."""

    url: str
    shown: str
    """Without passwords and tokens: what images and outcomes are known by."""

    @classmethod
    def of(cls, url: str, not_secret: Collection[str] = ()) -> "Address":
        """``url`` without the spaces around it; the parameters ``not_secret`` are shown."""
        url = url.strip()
        return cls(url, _REST.sub("", masked(url, not_secret)))

    @property
    def secret(self) -> str:
        """Tells two that are shown alike apart; empty where nothing is hidden."""
        if self.url == self.shown:
            return ""
        return hashlib.blake2b(self.url.encode(), digest_size=4).hexdigest()


def part_name(number: int, of: int) -> str:
    """The folder of a part's images and outcomes."""
    return f"urls-{number}-of-{of}"


class Failure(StrEnum):
    """Why there is no image."""

    BAD_URL = "bad_url"
    """No http or https URL that can be asked for."""
    NO_LABEL = "no_label"
    """The row names no class, so that nobody was asked."""
    PRIVATE = "private"
    """An address of a private network; see `private_hosts` in the config."""
    REFUSED = "refused"
    """An answer of 4xx that stays."""
    ROBOTS = "robots"
    """robots.txt or X-Robots-Tag forbids it."""
    REDIRECTS = "redirects"
    """In a circle, too many, or to what is no web address."""
    NO_IMAGE = "no_image"
    """A page or a text, or an image format that nothing here knows."""
    TOO_LARGE = "too_large"
    BUSY = "busy"
    """408, 425, 429 or 5xx, to the last attempt."""
    UNREACHABLE = "unreachable"
    """No connection, no such host, or one that was cut."""
    SLOW = "slow"
    """Not whole within the time."""


#: another run may have more luck with these
PASSING = frozenset({Failure.BUSY, Failure.UNREACHABLE, Failure.SLOW})
#: these cost no request, and another config may allow them
NOT_KEPT = PASSING | {Failure.PRIVATE}

#: of a part's folder: a line for each outcome
LEDGER = "outcomes.jsonl"

#: a row for each URL of a part, in the order of the table
OUTCOMES = pa.schema(
    [
        ("position", pa.int64()),  # row of the table, from 0
        ("url", pa.string()),
        ("status", pa.int16()),  # of HTTP; null where nobody answered
        ("bytes", pa.int64()),
        ("sha256", pa.string()),
        ("width", pa.int32()),  # pixels, as the image's header says
        ("height", pa.int32()),
        ("failure", pa.string()),  # of Failure; null where there is an image
        ("detail", pa.string()),
        ("attempts", pa.int16()),  # in the run that settled it
        ("licence", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a URL; an image if ``failure`` is empty."""

    status: int | None = None
    sha256: str = ""
    width: int = 0
    height: int = 0
    failure: str = ""
    detail: str = ""
    attempts: int = 0
    offset: int = 0
    """Of the image's bytes in the file of images."""
    size: int = 0
    secret: str = ""
    """Of the address that was asked."""

    @property
    def may_pass(self) -> bool:
        """Whether another attempt may have more luck."""
        return bool(self.failure) and Failure(self.failure) in PASSING


class Ledger:
    """The outcomes of a part's URLs, and their images.

    One process writes it at a time; one of its threads may add while another reads.
    """

    def __init__(self, folder: Path, *, try_again: bool = True) -> None:
        """Open it, or begin one.

        Args:
            folder: made if absent.
            try_again: forget the outcomes that another run may better.

        Raises:
            InputError: the file of outcomes is damaged in the middle.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._not_kept = NOT_KEPT if try_again else frozenset[Failure]()
        self._outcomes: dict[str, Outcome] = {}
        self.changed = threading.Condition()
        """Notified of each new outcome."""
        images, lines = folder / "images.bin", folder / LEDGER
        self._images: IO[bytes] = images.open("a+b")
        self._end = self._images.seek(0, 2)
        whole = self._read(lines) if lines.exists() else 0
        self._lines: IO[bytes] = lines.open("ab")
        self._lines.truncate(whole)
        self._lines.seek(0, 2)
        self._images.truncate(max((o.offset + o.size for o in self._outcomes.values()), default=0))
        self._end = self._images.seek(0, 2)

    def _read(self, path: Path) -> int:
        """Read all whole lines; how many bytes they are."""
        whole = 0
        with path.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                if not line.endswith(b"\n"):
                    break
                try:
                    row = json.loads(line)
                    outcome = Outcome(**row["outcome"])
                    kept = outcome.failure not in self._not_kept
                    url = str(row["url"])
                except (ValueError, TypeError, KeyError) as error:
                    raise InputError(
                        f"{path}, line {number}: damaged ({error}). Delete {path.parent} to fetch "
                        "its images anew."
                    ) from error
                if outcome.offset + outcome.size > self._end:
                    break  # its image did not reach the disk, nor did what follows
                self._outcomes.pop(url, None)
                if kept:
                    self._outcomes[url] = outcome
                whole += len(line)
        return whole

    def get(self, address: Address) -> Outcome | None:
        """The outcome of ``address``, if there is one; a failure is that of its secret alone."""
        found = self._outcomes.get(address.shown)
        if found is None or (found.failure and found.secret != address.secret):
            return None
        return found

    def add(self, address: Address, outcome: Outcome, data: bytes = b"") -> None:
        """Keep an outcome with its image."""
        placed = replace(outcome, offset=self._end, size=len(data), secret=address.secret)
        if data:
            self._images.write(data)
            self._images.flush()
            self._end += len(data)
        row = {"url": address.shown, "outcome": asdict(placed)}
        self._lines.write(json.dumps(row, separators=(",", ":")).encode() + b"\n")
        self._lines.flush()
        with self.changed:
            self._outcomes[address.shown] = placed
            self.changed.notify_all()

    def image(self, outcome: Outcome) -> bytes:
        """The bytes of an image."""
        return os.pread(self._images.fileno(), outcome.size, outcome.offset)

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._lines.close()
        self._images.close()
