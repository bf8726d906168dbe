"""Fetches images by their URLs: many hosts at once, each no faster than it allows."""

import asyncio
import hashlib
import io
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from urllib.parse import urljoin, urlsplit

import aiohttp
from PIL import Image

from nicheclip.config.url_source import UrlFetching
from nicheclip.data.url_hosts import ROBOTS_BYTES, Host, forbids, read_robots, retry_after
from nicheclip.data.url_outcomes import Failure, Ledger, Outcome
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.progress import progress
from nicheclip.runtime.seeding import unit_interval

log = logging.getLogger(__name__)

#: URLs that wait for their hosts: where one host has many more in a row, others wait with it
WAITING = 4096
#: requests at once, to all hosts
AT_ONCE = 128
REDIRECTS = 5
FIRST_PAUSE_SECONDS = 1.0
#: where none of the first so many URLs is reached, the network is what is wrong
PROBED = 100
SUCCESS = range(200, 300)
PASSING_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
AGENT = "nicheclip"


class _FailedError(Exception):
    """There is no image; ``pause`` is the host's wish in seconds, or None."""

    def __init__(
        self,
        failure: Failure,
        detail: str,
        *,
        status: int | None = None,
        pause: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.failure, self.detail, self.status, self.pause = failure, detail, status, pause


def host_of(url: str) -> str:
    """Scheme, name and port that ``url`` asks; empty where it is no web address.

    Those with a name and password are none: they would stand in the catalog.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return ""
    sound = parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc
    return f"{parts.scheme}://{parts.netloc.lower()}" if sound else ""


def _why_bad(url: str) -> str:
    """Why nobody can be asked for ``url``; a password in it is not repeated."""
    if "@" in url.partition("://")[2].partition("/")[0]:
        return "has a name or password before @, which would stand in the results: leave it out"
    return f"{url[:200]!r} is no http or https address"


def fetch(
    urls: Iterable[str], source: UrlFetching, ledger: Ledger, *, parts: int, label: str
) -> None:
    """Bring into ``ledger`` the outcome of every URL that has none that stays.

    Args:
        urls: of the part.
        source: limits.
        ledger: receives outcomes as they come.
        parts: that share the hosts of ``source.spread``.
        label: of the progress line.

    Raises:
        InputError: none of the first URLs can be reached.
    """
    wanted = (url for url in urls if (kept := ledger.get(url)) is None or not kept.settled)
    asyncio.run(_Fetcher(source, ledger, parts).all_of(progress(wanted, label=label)))


@dataclass
class _Fetcher:
    source: UrlFetching
    ledger: Ledger
    parts: int
    hosts: dict[str, Host] = field(default_factory=dict)
    tried: int = 0
    reached: int = 0
    open: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def all_of(self, urls: Iterable[str]) -> None:
        """Fetch them, ``WAITING`` under way."""
        headers = {"User-Agent": _agent(self.source.contact), "Accept": "image/*,*/*;q=0.5"}
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=AT_ONCE),
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=self.source.timeout),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=True,  # proxies
        ) as client:
            places = asyncio.Semaphore(WAITING)
            try:
                async with asyncio.TaskGroup() as under_way:
                    for url in urls:
                        await places.acquire()
                        task = under_way.create_task(self._one(client, url))
                        task.add_done_callback(lambda _: places.release())
            except BaseExceptionGroup as errors:  # the others were cancelled
                raise errors.exceptions[0] from None

    async def _one(self, client: aiohttp.ClientSession, url: str) -> None:
        """The outcome of a URL, after all attempts."""
        attempts, data, outcome = 0, b"", Outcome()
        while True:
            attempts += 1
            try:
                data, outcome = await self._attempt(client, url)
                self.reached += 1
            except _FailedError as failed:
                outcome = Outcome(
                    status=failed.status, failure=failed.failure, detail=failed.detail
                )
                self._note(failed)
                again = not outcome.settled and attempts < self.source.attempts
                if again and not self._host(host_of(url)).given_up:
                    await asyncio.sleep(_pause(url, attempts) if failed.pause is None else 0)
                    continue
            self.ledger.add(url, replace(outcome, attempts=attempts), data)
            return

    def _note(self, failed: _FailedError) -> None:
        self.tried += 1
        if failed.status is not None:
            self.reached += 1
        if self.tried == PROBED and not self.reached and failed.failure == Failure.UNREACHABLE:
            raise InputError(
                f"none of the first {PROBED} requests reached a host (the last: {failed.detail}). "
                "Check the network and, behind a proxy, HTTPS_PROXY; then run again."
            )

    async def _attempt(self, client: aiohttp.ClientSession, url: str) -> tuple[bytes, Outcome]:
        """The image behind ``url``; redirects are followed, each as its own host allows."""
        status = None
        for _ in range(REDIRECTS + 1):
            name = host_of(url)
            if not name and status:
                raise _FailedError(Failure.REDIRECTS, f"leads to {url[:200]!r}", status=status)
            if not name:
                raise _FailedError(Failure.BAD_URL, _why_bad(url))
            host = self._host(name)
            await self._allow(client, host, url)
            async with self._response(client, host, url) as response:
                if not _is_redirect(response):
                    return await self._image(response, host)
                status = response.status
                url = urljoin(url, response.headers["Location"])
        raise _FailedError(Failure.REDIRECTS, f"more than {REDIRECTS}", status=status)

    async def _image(self, response: aiohttp.ClientResponse, host: Host) -> tuple[bytes, Outcome]:
        status = response.status
        if status in PASSING_STATUS:
            wish = retry_after(response.headers.get("Retry-After", ""))
            if wish is not None:
                host.wait(wish)
            raise _FailedError(Failure.BUSY, f"answers {status}", status=status, pause=wish)
        if status not in SUCCESS:
            raise _FailedError(Failure.REFUSED, f"answers {status}", status=status)
        tags = response.headers.getall("X-Robots-Tag", [])
        if self.source.robots and (word := forbids(tags, AGENT)):
            raise _FailedError(Failure.ROBOTS, f"X-Robots-Tag: {word}", status=status)
        data = await self._body(response)
        width, height = _size(data, status)
        digest = hashlib.sha256(data).hexdigest()
        return data, Outcome(status=status, sha256=digest, width=width, height=height)

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        most, data = self.source.max_bytes, bytearray()
        told = response.content_length or 0
        async for piece in response.content.iter_any():
            data += piece
            if max(told, len(data)) > most:
                raise _FailedError(
                    Failure.TOO_LARGE, f"more than {most} bytes", status=response.status
                )
        return bytes(data)

    @asynccontextmanager
    async def _response(
        self, client: aiohttp.ClientSession, host: Host, url: str
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer, when it is the turn of ``url``; what goes wrong on the way is a failure."""
        async with host.free, self.open:
            if host.given_up:
                raise _FailedError(Failure.UNREACHABLE, f"{host.name} {host.given_up}")
            await host.turn()
            try:
                async with client.get(url, allow_redirects=False) as response:
                    host.reached()
                    yield response
            except TimeoutError as error:
                host.missed()
                wait = f"not whole after {self.source.timeout:g} seconds"
                raise _FailedError(Failure.SLOW, wait) from error
            except aiohttp.InvalidURL as error:
                raise _FailedError(Failure.BAD_URL, str(error)) from error
            except (aiohttp.ClientError, OSError) as error:
                host.missed()
                reason = str(error) or type(error).__name__
                raise _FailedError(Failure.UNREACHABLE, reason[:200]) from error

    def _host(self, name: str) -> Host:
        if name not in self.hosts:
            shared = self.parts if urlsplit(name).hostname in self.source.spread else 1
            free = asyncio.Semaphore(self.source.connections)
            self.hosts[name] = Host(name, shared / self.source.rate, free)
        return self.hosts[name]

    async def _allow(self, client: aiohttp.ClientSession, host: Host, url: str) -> None:
        """Stop at what the host's robots.txt forbids; it is asked for once."""
        if not self.source.robots:
            return
        async with host.asked_robots:
            if not host.has_robots:
                await self._ask_robots(client, host)
        if host.robots is not None and not host.robots.can_fetch(AGENT, url):
            raise _FailedError(Failure.ROBOTS, f"{host.name}/robots.txt forbids it")

    async def _ask_robots(self, client: aiohttp.ClientSession, host: Host) -> None:
        """Where there is none, all may be asked for; where the host cannot say, nothing (RFC
        9309)."""
        url = f"{host.name}/robots.txt"
        for _ in range(REDIRECTS + 1):
            async with self._response(client, self._host(host_of(url) or host.name), url) as answer:
                if not _is_redirect(answer):
                    if answer.status in PASSING_STATUS:
                        detail = f"robots.txt answers {answer.status}"
                        raise _FailedError(Failure.BUSY, detail, status=answer.status)
                    text = b""
                    if answer.status in SUCCESS:
                        while len(text) < ROBOTS_BYTES and (more := await answer.content.readany()):
                            text += more
                    if text.strip():
                        words = text.decode("utf-8", errors="replace")
                        host.robots, delay = read_robots(words, AGENT)
                        host.pause = max(host.pause, delay)
                    break
                url = urljoin(url, answer.headers["Location"])
        host.has_robots = True


def _is_redirect(response: aiohttp.ClientResponse) -> bool:
    return response.status in (301, 302, 303, 307, 308) and "Location" in response.headers


def _size(data: bytes, status: int) -> tuple[int, int]:
    """Width and height by the image's header, whatever the server calls it.

    Whether the rest can be decoded is seen when the image is acquired.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.size
    except Exception as error:  # Pillow raises almost anything for damaged headers
        start = data[:200].lstrip().lower()
        kind = "a web page" if start.startswith((b"<!doctype", b"<html")) else "no known image"
        kind = kind if data else "empty"
        raise _FailedError(Failure.NO_IMAGE, kind, status=status) from error


def _pause(url: str, attempts: int) -> float:
    """Longer after each attempt, and another for each URL, the same in every run."""
    longest = FIRST_PAUSE_SECONDS * 2.0 ** (attempts - 1)
    return longest * (0.5 + 0.5 * unit_interval("fetch", url, attempts))


def _agent(contact: str) -> str:
    try:
        number = version("nicheclip")
    except PackageNotFoundError:  # run from a clone
        number = "dev"
    return f"{AGENT}/{number} (images for research{f'; {contact}' if contact else ''})"
