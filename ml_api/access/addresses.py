"""By which address a client is counted: never one that it can make up itself."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple

LONGEST = 60
"""More characters than an address with a port has."""


class Address(NamedTuple):
    """An address, and the name by which it is counted."""

    ip: IPv4Address | IPv6Address
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
    return Address(ip, str(ip_network((int(ip), 64), strict=False)) if isinstance(ip, IPv6Address) else str(ip))


def client(
    peer: str, forwarded: str, proxies: Sequence[IPv4Network | IPv6Network], *, peer_is_proxy: bool = False
) -> str:
    """Name the client: the peer, or where that is a proxy, what it says of its own peer in X-Forwarded-For.

    Each proxy adds an address at the end. Before that of the first that is no proxy of ours stands what a client wrote.
    """
    found = address(peer)  # none, where it is a Unix socket's, at whose other end is a proxy
    while forwarded and (peer_is_proxy or not found or any(found.ip in network for network in proxies)):
        forwarded, _, last = forwarded.rpartition(",")
        before = address(last[:LONGEST])
        if not before:
            break
        found, peer_is_proxy = before, False
    return found.name if found else "unix"
