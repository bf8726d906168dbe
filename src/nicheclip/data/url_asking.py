"""Asks hosts for what is behind URLs, each as it allows."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies

import aiohttp
from yarl import URL

from nicheclip.config.url_source import UrlFetching
from nicheclip.data.public_addresses import (
    PrivateAddressError,
    PublicResolver,
    proxy_hosts,
    refuse_private,
)
from nicheclip.data.url_hosts import ROBOTS_BYTES, Host, read_robots
from nicheclip.data.url_outcomes import Failure, Outcome
from nicheclip.runtime.credentials import masked

#: requests at once, to all hosts
AT_ONCE = 128
REDIRECTS = 5
SUCCESS = range(200, 300)
PASSING_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
AGENT = "nicheclip"


class FailedError(Exception):
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

    def outcome(self) -> Outcome:
        """It as an outcome; without tokens of URLs that the detail repeats."""
        return Outcome(status=self.status, failure=self.failure, detail=masked(self.detail))


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


@asynccontextmanager
async def session(source: UrlFetching) -> AsyncIterator[aiohttp.ClientSession]:
    """Connections as ``source`` wants them."""
    headers = {"User-Agent": _agent(source.contact), "Accept": "image/*,*/*;q=0.5"}
    public = None if source.private_hosts else PublicResolver(proxy_hosts())
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=AT_ONCE, resolver=public),
        headers=headers,
        timeout=aiohttp.ClientTimeout(total=source.timeout),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=bool(getproxies()),  # asking it for each URL costs a thread
    ) as client:
        yield client


def _agent(contact: str) -> str:
    try:
        number = version("nicheclip")
    except PackageNotFoundError:  # run from a clone
        number = "dev"
    return f"{AGENT}/{number} (images for research{f'; {contact}' if contact else ''})"


@dataclass
class Asker:
    """All hosts that are asked, and what is known of them."""

    client: aiohttp.ClientSession
    source: UrlFetching
    parts: int
    """That share the hosts of ``source.spread``."""
    hosts: dict[str, Host] = field(default_factory=dict)
    open: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    def host(self, name: str) -> Host:
        """That of scheme, name and port."""
        if name not in self.hosts:
            shared = self.parts if urlsplit(name).hostname in self.source.spread else 1
            free = asyncio.Semaphore(self.source.connections)
            self.hosts[name] = Host(name, shared / self.source.rate, free)
        return self.hosts[name]

    async def allow(self, host: Host, url: str) -> None:
        """Stop at what the host's robots.txt forbids; it is asked for once."""
        if not self.source.robots:
            return
        async with host.asked_robots:
            if not host.has_robots:
                await self._ask_robots(host)
        if host.robots is not None and not host.robots.can_fetch(AGENT, url):
            raise FailedError(Failure.ROBOTS, f"{host.name}/robots.txt forbids it")

    async def _ask_robots(self, host: Host) -> None:
        """Where there is none, all may be asked for; where the host cannot say, nothing (RFC
        9309)."""
        url = f"{host.name}/robots.txt"
        for _ in range(REDIRECTS + 1):
            async with self.response(self.host(host_of(url) or host.name), url) as answer:
                if not is_redirect(answer):
                    if answer.status in PASSING_STATUS:
                        detail = f"robots.txt answers {answer.status}"
                        raise FailedError(Failure.BUSY, detail, status=answer.status)
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

    @asynccontextmanager
    async def response(self, host: Host, url: str) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer, when it is the turn of ``url``; what goes wrong on the way is a failure."""
        if not self.source.private_hosts:
            self._refuse_private(url)
        async with host.free, self.open:
            if host.given_up:
                raise FailedError(Failure.UNREACHABLE, f"{host.name} {host.given_up}")
            await host.turn()
            try:
                async with self.client.get(url, allow_redirects=False) as response:
                    host.reached()
                    yield response
            except TimeoutError as error:
                host.missed()
                wait = f"not whole after {self.source.timeout:g} seconds"
                raise FailedError(Failure.SLOW, wait) from error
            except PrivateAddressError as error:
                raise FailedError(Failure.PRIVATE, str(error)) from error
            except aiohttp.InvalidURL as error:
                raise FailedError(Failure.BAD_URL, str(error)) from error
            except (aiohttp.ClientError, OSError) as error:
                host.missed()
                reason = str(error) or type(error).__name__
                raise FailedError(Failure.UNREACHABLE, reason[:200]) from error

    def _refuse_private(self, url: str) -> None:
        try:  # as aiohttp reads it, which makes addresses of full-width digits and resolves none
            refuse_private(URL(url).host or "")
        except PrivateAddressError as error:
            raise FailedError(Failure.PRIVATE, str(error)) from error
        except ValueError as error:
            raise FailedError(Failure.BAD_URL, str(error)) from error


def is_redirect(response: aiohttp.ClientResponse) -> bool:
    """Whether it says where else to ask."""
    return response.status in (301, 302, 303, 307, 308) and "Location" in response.headers
