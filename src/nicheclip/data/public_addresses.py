"""Which addresses belong to the public network, so that a list of URLs asks nobody behind a wall.

A list that somebody else wrote may name this machine, a cluster's services or the metadata server
of a cloud, or a host that redirects to them.
"""

import ipaddress
import socket
from collections.abc import Collection
from urllib.parse import urlsplit
from urllib.request import getproxies

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver

#: end with an IPv4 address (RFC 6052, and 4291, 2.5.5.1)
_TRANSLATIONS = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))
#: RFC 8215; only later Pythons know it
_LOCAL_TRANSLATION = ipaddress.IPv6Network("64:ff9b:1::/48")


class PrivateAddressError(Exception):
    """A host that is not of the public network; the message says which."""


def is_public(address: str) -> bool:
    """Whether an IP address is of the public network: not of this machine, a local network (RFC
    1918, 4193, 6598), a link, a group or a documentation. An IPv4 address within one of IPv6 counts
    as itself.
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        if found in _LOCAL_TRANSLATION or found.is_site_local:
            return False
        found = found.ipv4_mapped or found.sixtofour or _translated(found) or found
    return found.is_global and not found.is_multicast


def _translated(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """What a gateway to IPv4 makes of it."""
    if any(address in one for one in _TRANSLATIONS):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def refuse_private(host: str) -> None:
    """Stop at a ``host`` that is a private address, or this machine, as it is written.

    Raises:
        PrivateAddressError: it is.
    """
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        raise PrivateAddressError(f"{host} is this machine")
    try:
        public = is_public(host)
    except ValueError:  # a name, which is looked at when it is resolved
        return
    if not public:
        raise PrivateAddressError(f"{host} is not of the public network")


def proxy_hosts() -> frozenset[str]:
    """The hosts of the proxies that the environment names; they may stand in a local network."""
    return frozenset(urlsplit(url).hostname or "" for url in getproxies().values())


class PublicResolver(AbstractResolver):
    """Resolves names, and gives no private address.

    The connection is made to the addresses that were looked at, so a name cannot change in between.
    """

    def __init__(self, exempt: Collection[str]) -> None:
        """``exempt``: hosts that may be private."""
        self._exempt = exempt
        self._resolver = DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """See aiohttp.

        Raises:
            PrivateAddressError: all addresses of ``host`` are private.
        """
        found = await self._resolver.resolve(host, port, family)
        if host in self._exempt:
            return found
        public = [one for one in found if is_public(one["host"])]
        if found and not public:
            raise PrivateAddressError(f"{host} is {found[0]['host']}, not of the public network")
        return public

    async def close(self) -> None:
        """See aiohttp."""
        await self._resolver.close()
