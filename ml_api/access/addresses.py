"""By which address a client is counted and logged: never one that it can make up itself."""

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, NamedTuple

from django.conf import settings

LONGEST = 60
"""More characters than an address with a port has."""


class Address(NamedTuple):
    """An address, as text too, and the name by which it is counted."""

    ip: IPv4Address | IPv6Address
    text: str
    name: str


@lru_cache(maxsize=10_000)
def address(text: str) -> Address | None:
    """Read an address, with or without a port; None where it is none.

    Who has one of IPv6 has as many as 64 bits can tell apart, so that these are counted as one. The server's one
    socket, of IPv6, calls 10.0.0.1 ::ffff:10.0.0.1.
    """
    host = text.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        ip = ip_address(host)
    except ValueError:
        return None
    if isinstance(ip, IPv6Address):
        ip = ip.ipv4_mapped or ip
    name = str(ip_network((int(ip), 64), strict=False)) if isinstance(ip, IPv6Address) else str(ip)
    return Address(ip, str(ip), name)


def client_of(environ: Mapping[str, Any]) -> Address | None:
    """Find who asks: the peer, or where that is a proxy, whom it names in X-Forwarded-For; None at a Unix socket.

    Each proxy adds an address at the end. Before that of the first that is no proxy of ours stands what a client wrote.
    Behind App Service, the peer is its front end.
    """
    found = address(environ.get("REMOTE_ADDR", ""))  # none, where it is a Unix socket's, at whose other end is a proxy
    forwarded: str = environ.get("HTTP_X_FORWARDED_FOR", "")
    if not forwarded:
        return found
    proxies, peer_is_proxy = settings.LM_TRUSTED_PROXIES, bool(settings.WEBSITE_HOSTNAME)
    while forwarded and (peer_is_proxy or not found or any(found.ip in network for network in proxies)):
        forwarded, _, last = forwarded.rpartition(",")
        before = address(last[:LONGEST])
        if not before:
            break
        found, peer_is_proxy = before, False
    return found
