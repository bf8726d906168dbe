"""Fetches images by their URLs: many hosts at once, each no faster than it allows."""

import asyncio
import hashlib
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from urllib.parse import urljoin

import aiohttp
from PIL import Image
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt

from nicheclip.config.url_source import UrlFetching
from nicheclip.data.url_asking import (
    AGENT,
    PASSING_STATUS,
    REDIRECTS,
    SUCCESS,
    Asker,
    FailedError,
    host_of,
    is_redirect,
    session,
)
from nicheclip.data.url_hosts import Host, forbids, retry_after
from nicheclip.data.url_outcomes import Address, Failure, Ledger, Outcome
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.progress import progress
from nicheclip.runtime.seeding import stable_hash, unit_interval

#: URLs that wait for their hosts: where one host has many more in a row, others wait with it
WAITING = 4096
FIRST_PAUSE_SECONDS = 1.0
#: where none of the first so many URLs is reached, the network is what is wrong
PROBED = 100


async def fetch(
    addresses: Iterable[Address], source: UrlFetching, ledger: Ledger, *, parts: int, label: str
) -> None:
    """Bring into ``ledger`` the outcome of every address that has none.

    Args:
        addresses: of the part. Of several that are shown alike the first counts.
        source: limits.
        ledger: receives outcomes as they come.
        parts: that share the hosts of ``source.spread``.
        label: of the progress line.

    Raises:
        InputError: none of the first URLs can be reached.
    """
    wanted = progress(_wanted(addresses, ledger), label=label)
    async with session(source) as client:
        await _Fetcher(Asker(client, source, parts), source, ledger).all_of(wanted)


def _wanted(addresses: Iterable[Address], ledger: Ledger) -> Iterator[Address]:
    asked: set[int] = set()
    for address in addresses:
        if address.secret:  # what the ledger has may be of another secret
            if (name := stable_hash(address.shown)) in asked:
                continue
            asked.add(name)
        if ledger.get(address) is None:
            yield address


@dataclass
class _Fetcher:
    asker: Asker
    source: UrlFetching
    ledger: Ledger
    tried: int = 0
    reached: int = 0

    async def all_of(self, addresses: Iterable[Address]) -> None:
        """Fetch them, ``WAITING`` under way."""
        places = asyncio.Semaphore(WAITING)
        try:
            async with asyncio.TaskGroup() as under_way:
                for address in addresses:
                    await places.acquire()
                    task = under_way.create_task(self._one(address))
                    task.add_done_callback(lambda _: places.release())
        except BaseExceptionGroup as errors:  # the others were cancelled
            raise errors.exceptions[0] from None

    async def _one(self, address: Address) -> None:
        """The outcome of an address, after all attempts."""
        attempts = AsyncRetrying(
            retry=retry_if_exception(partial(self._may_pass, address.url)),
            stop=stop_after_attempt(self.source.attempts),
            wait=partial(_pause, address.url),
            reraise=True,
        )
        data, outcome = b"", Outcome()
        try:
            data, outcome = await attempts(self._noted, address.url)
        except FailedError as failed:
            outcome = failed.outcome()
        number = attempts.statistics["attempt_number"]
        self.ledger.add(address, replace(outcome, attempts=number), data)

    def _may_pass(self, url: str, error: BaseException) -> bool:
        """Whether another attempt may better ``error``, of a host that is not left alone."""
        if not isinstance(error, FailedError) or not error.outcome().may_pass:
            return False
        return not self.asker.host(host_of(url)).given_up

    async def _noted(self, url: str) -> tuple[bytes, Outcome]:
        """An attempt; where none of the first reaches anybody, the last."""
        try:
            found = await self._attempt(url)
        except FailedError as failed:
            self.tried += 1
            self.reached += failed.status is not None
            if self.tried == PROBED and not self.reached and failed.failure == Failure.UNREACHABLE:
                raise InputError(
                    f"none of the first {PROBED} requests reached a host (the last: "
                    f"{failed.detail}). Check the network and, behind a proxy, HTTPS_PROXY; then "
                    "run again."
                ) from failed
            raise
        self.reached += 1
        return found

    async def _attempt(self, url: str) -> tuple[bytes, Outcome]:
        """The image behind ``url``; redirects are followed, each as its own host allows."""
        status = None
        for _ in range(REDIRECTS + 1):
            name = host_of(url)
            if not name and status:
                raise FailedError(Failure.REDIRECTS, f"leads to {url[:200]!r}", status=status)
            if not name:
                raise FailedError(Failure.BAD_URL, _why_bad(url))
            host = self.asker.host(name)
            await self.asker.allow(host, url)
            async with self.asker.response(host, url) as response:
                if not is_redirect(response):
                    return await self._image(response, host)
                status = response.status
                url = urljoin(url, response.headers["Location"])
        raise FailedError(Failure.REDIRECTS, f"more than {REDIRECTS}", status=status)

    async def _image(self, response: aiohttp.ClientResponse, host: Host) -> tuple[bytes, Outcome]:
        status = response.status
        if status in PASSING_STATUS:
            wish = retry_after(response.headers.get("Retry-After", ""))
            if wish is not None:
                host.wait(wish)
            raise FailedError(Failure.BUSY, f"answers {status}", status=status, pause=wish)
        if status not in SUCCESS:
            raise FailedError(Failure.REFUSED, f"answers {status}", status=status)
        tags = response.headers.getall("X-Robots-Tag", [])
        if self.source.robots and (word := forbids(tags, AGENT)):
            raise FailedError(Failure.ROBOTS, f"X-Robots-Tag: {word}", status=status)
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
                raise FailedError(
                    Failure.TOO_LARGE, f"more than {most} bytes", status=response.status
                )
        return bytes(data)


def _why_bad(url: str) -> str:
    """Why nobody can be asked for ``url``; a password in it is not repeated."""
    if "@" in url.partition("://")[2].partition("/")[0]:
        return "has a name or password before @, which would stand in the results: leave it out"
    return f"{url[:200]!r} is no http or https address"


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
        raise FailedError(Failure.NO_IMAGE, kind, status=status) from error


def _pause(url: str, state: RetryCallState) -> float:
    """Longer after each attempt, and another for each URL, the same in every run; none where the
    host has said how long, since its turns keep that."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, FailedError) and error.pause is not None:
        return 0.0
    longest = FIRST_PAUSE_SECONDS * 2.0 ** (state.attempt_number - 1)
    return longest * (0.5 + 0.5 * unit_interval("fetch", url, state.attempt_number))
