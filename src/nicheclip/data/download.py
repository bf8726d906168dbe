"""Downloads that resume, retry, verify, and never leave half a file under the final name."""

import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type

from nicheclip.data.downloaded import refuse_web_page, verify
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import read_json, write_json
from nicheclip.runtime.locks import locked
from nicheclip.runtime.network import is_offline
from nicheclip.runtime.progress import progress
from nicheclip.runtime.seeding import unit_interval
from nicheclip.runtime.urls import file_name

#: attempts in a row that bring less than a block before a download is given up
ATTEMPTS = 6
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
TIMEOUT_SECONDS = 60.0
BLOCK_BYTES = 1 << 16
#: a download that brings fewer bytes in so many seconds never ends
SLOW_SECONDS = 300.0
SLOW_BYTES = 100 << 10
#: a file that is larger is none that anybody asked for
MAX_BYTES = 2 << 40
#: answers that another attempt may better
PASSING_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class _Version:
    """What tells two states of a remote file apart; empty where the server does not say."""

    etag: str = ""
    last_modified: str = ""

    @property
    def validator(self) -> str:
        """For ``If-Range``, which allows no weak ETag."""
        return self.last_modified if self.etag.startswith("W/") else self.etag or self.last_modified


class _PassingError(Exception):
    """A failure that may pass; ``pause`` is the server's wish in seconds, or None."""

    def __init__(self, message: str, pause: float | None = None) -> None:
        super().__init__(message)
        self.pause = pause


#: what another attempt may better
PASSING_ERRORS = (httpx.TransportError, httpx.DecodingError, _PassingError)


def download(url: str, folder: Path | str, *, checksum: str | None = None) -> Path:
    """Fetch ``url`` into ``folder`` under its own name and verify it; do nothing if it is there.

    A broken download resumes from ``<name>.part`` if the server still has the same file, and
    starts over if not. ``file://`` URLs are verified where they lie.

    Args:
        url: http, https or file.
        folder: made if absent.
        checksum: ``md5:<hex>`` or ``sha256:<hex>``. Without one the first download's sha256 is
            recorded in ``<name>.sha256`` and enforced from then on.

    Raises:
        InputError: the server refuses, stays out of reach or hardly sends, the file does not fit on
            the disk or cannot be kept there, or the checksum is another.
    """
    name = file_name(url)
    try:
        return _download(url, Path(folder), name, checksum)
    except OSError as error:
        raise InputError(
            f"{url}: cannot be kept in {folder}: {error.strerror or error}"
            + (f" ({error.filename})" if error.filename else "")
            + ". Correct what is in the way, or choose another folder; what arrived is kept."
        ) from error


def _download(url: str, folder: Path, name: str, checksum: str | None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / f"{name}.sha256"
    if urlsplit(url).scheme == "file":
        path = Path(unquote(urlsplit(url).path))
        if not path.is_file():
            raise InputError(f"{url}: there is no such file. Correct the URL.")
        verify(path, url, checksum, record)
        return path
    path = folder / name
    if is_offline() and not path.exists():
        raise InputError(
            f"{url}: {name} is not in {folder.resolve()}, and the config says offline: true. Put "
            "it there, or run without offline."
        )
    with locked(folder / f"{name}.lock"):
        if not path.exists():
            part = folder / f"{name}.part"
            _fetch(url, part, trust_length=checksum is not None)
            try:
                refuse_web_page(part, url)
                verify(part, url, checksum, record)
            except InputError:
                _forget(part)
                raise
            part.replace(path)
            _forget(part)
        else:
            verify(path, url, checksum, record)
    return path


def _fetch(url: str, part: Path, *, trust_length: bool) -> None:
    """Bring ``part`` to the remote file's full length."""
    patience = _Patience(url, part)
    attempts = Retrying(
        retry=retry_if_exception_type(PASSING_ERRORS),
        after=patience.note,
        wait=patience.pause,
        stop=patience.is_over,
        sleep=time.sleep,
        reraise=True,
    )
    timeout = httpx.Timeout(TIMEOUT_SECONDS)
    with httpx.Client(follow_redirects=True, timeout=timeout) as client:
        try:
            attempts(_attempt, client, url, part, trust_length=trust_length)
        except (httpx.TooManyRedirects, httpx.InvalidURL) as error:
            raise InputError(
                f"{url}: leads nowhere ({error}). Open it in a browser, and give the URL at "
                "which the download ends."
            ) from error
        except PASSING_ERRORS as error:
            raise InputError(
                f"{url}: gave up after {patience.failures} attempts in a row that brought nothing "
                f"much ({str(error) or type(error).__name__}). Check the network and run "
                f"again; the {_size(part)} bytes that arrived are kept."
            ) from error


class _Patience:
    """How long attempts go on: as long as they bring something.

    An attempt that brings a block begins the count anew.
    """

    def __init__(self, url: str, part: Path) -> None:
        self._url, self._part = url, part
        self._size = _size(part)
        self.failures = 0
        """In a row that brought less than a block."""

    def note(self, state: RetryCallState) -> None:
        """Count a failed attempt."""
        del state
        size = _size(self._part)
        self.failures = 1 if size >= self._size + BLOCK_BYTES else self.failures + 1
        self._size = size

    def is_over(self, state: RetryCallState) -> bool:
        """Whether it was the last."""
        del state
        return self.failures >= ATTEMPTS

    def pause(self, state: RetryCallState) -> float:
        """Seconds: as the server wishes, or longer after each, and another for each URL."""
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, _PassingError) and error.pause is not None:
            return min(error.pause, LONGEST_PAUSE_SECONDS)
        longest = min(FIRST_PAUSE_SECONDS * 2.0 ** (self.failures - 1), LONGEST_PAUSE_SECONDS)
        return longest * (0.5 + 0.5 * unit_interval("download", self._url, self.failures))


def _attempt(client: httpx.Client, url: str, part: Path, *, trust_length: bool) -> None:
    start, version = _resumable(part, trust_length=trust_length)
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if version.validator:
            headers["If-Range"] = version.validator
    with client.stream("GET", url, headers=headers) as response:
        if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            if response.headers.get("Content-Range", "").endswith(f"/{start}"):
                return
            _forget(part)
            raise _PassingError("the remote file has become shorter")
        _raise_for_status(response, url)
        now = _Version(response.headers.get("ETag", ""), response.headers.get("Last-Modified", ""))
        resumed = response.status_code == httpx.codes.PARTIAL_CONTENT
        if resumed and (now != version or _range_start(response) != start):
            _forget(part)
            raise _PassingError("the remote file changed in between")
        start = start if resumed else 0
        write_json(_version_file(part), asdict(now))
        _receive(response, url, part, start)


def _receive(response: httpx.Response, url: str, part: Path, start: int) -> None:
    length = response.headers.get("Content-Length", "")
    total = start + int(length) if length.isdecimal() else None
    free = shutil.disk_usage(part.parent).free
    if total is not None and total - start > min(free, MAX_BYTES):
        raise InputError(
            f"{url}: has {total} bytes, and {part.parent} has room for {free}; more than "
            f"{MAX_BYTES} are never fetched. Make room, or choose another folder."
        )
    blocks = progress(
        _blocks(response, url),
        label=f"{part.stem} ({BLOCK_BYTES >> 10} KiB blocks)",
        total=None if total is None else -(-(total - start) // BLOCK_BYTES),
    )
    with part.open("ab" if start else "wb") as stream:
        for block in blocks:
            stream.write(block)
            if stream.tell() > (MAX_BYTES if total is None else total):
                raise InputError(f"{url}: sends more than the {total or MAX_BYTES} bytes expected.")
    if total is not None and _size(part) != total:
        raise _PassingError(f"{_size(part)} of {total} bytes arrived")


def _blocks(response: httpx.Response, url: str) -> Iterator[bytes]:
    """What arrives, in blocks of one size but for the last.

    Raises:
        InputError: it arrives so slowly that it never ends.
    """
    waiting, arrived, since = bytearray(), 0, time.monotonic()
    for piece in response.iter_raw():
        waiting += piece
        arrived += len(piece)
        while len(waiting) >= BLOCK_BYTES:
            yield bytes(waiting[:BLOCK_BYTES])
            del waiting[:BLOCK_BYTES]
        if (now := time.monotonic()) - since >= SLOW_SECONDS:
            if arrived < SLOW_BYTES:
                yield bytes(waiting)
                raise InputError(
                    f"{url}: only {arrived} bytes in {now - since:.0f} seconds. Try again later, "
                    "or download it elsewhere and give its file:// URL; what arrived is kept."
                )
            arrived, since = 0, now
    if waiting:
        yield bytes(waiting)


def _raise_for_status(response: httpx.Response, url: str) -> None:
    if response.is_success:
        return
    status = f"{response.status_code} {response.reason_phrase}"
    if response.status_code in PASSING_STATUS:
        wish = response.headers.get("Retry-After", "")
        raise _PassingError(status, float(wish) if wish.isdigit() else None)
    raise InputError(
        f"{url}: the server answers {status}. Check the URL in a browser; if the file has moved, "
        "correct it in the config or the registry."
    )


def _resumable(part: Path, *, trust_length: bool) -> tuple[int, _Version]:
    """Bytes to keep, and of which version they are.

    Without a validator of the server only a checksum makes it safe to go on.
    """
    record = _version_file(part)
    try:
        version = _Version(**read_json(record)) if record.exists() else _Version()
    except (ValueError, TypeError):  # damaged, so nobody knows what the bytes are of
        return 0, _Version()
    if version.validator or (trust_length and record.exists()):
        return _size(part), version
    return 0, version


def _range_start(response: httpx.Response) -> int:
    text = response.headers.get("Content-Range", "")
    first = text.removeprefix("bytes ").partition("-")[0]
    return int(first) if first.isdigit() else -1


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _version_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _version_file(part).unlink(missing_ok=True)
