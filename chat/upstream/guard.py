"""Where upstreams may be: which addresses are refused, at the moment of connecting to them.

By the address that a socket is to be connected to, not by the name or its spelling: `0x7f.1`, a name that resolves to
10.0.0.1, and one that resolved to something else a moment ago all end here.
"""

import errno
import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Literal

from aiohttp.connector import AddrInfoType

# `local`: this machine or its network, for whoever means it. `never`: nobody serves models there.
Place = Literal["public", "local", "never"]

# Where machines are told their credentials. Several of them count as public, and one as a private network's.
METADATA = {
    ip_address("169.254.169.254"),
    ip_address("192.0.0.192"),  # Oracle
    ip_address("100.100.100.200"),  # Alibaba
    ip_address("168.63.129.16"),  # Azure
    ip_address("fd00:ec2::254"),  # AWS
    ip_address("fd20:ce::254"),  # Google
}
BROADCAST = ip_address("255.255.255.255")
# Ways to write, or to reach, the IPv4 address in the last 32 bits: mapped, translated, NAT64, and the deprecated one.
CARRIERS = [IPv6Network(net) for net in ("::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "::/96")]
OWN_NAT64 = IPv6Network("64:ff9b:1::/48")  # a network's own translator, to wherever that reaches
SIX_TO_FOUR = IPv6Network("2002::/16")
TEREDO = IPv6Network("2001::/32")
ISATAP = (0x00005EFE, 0x02005EFE)


class Refused(OSError):
    """Nothing was sent to `address`. All have one text: of several that differ aiohttp would make another error."""

    def __init__(self, address: str, place: Place) -> None:
        super().__init__(errno.EACCES, "refused address")
        self.address, self.place = address, place


def public_socket(info: AddrInfoType) -> socket.socket:
    """For the connector of providers that are somewhere else: public addresses only."""
    return _socket(info, {"public"})


def any_socket(info: AddrInfoType) -> socket.socket:
    """For the connector of those that may be on this machine or its network."""
    return _socket(info, {"public", "local"})


def _socket(info: AddrInfoType, allowed: set[Place]) -> socket.socket:
    family, kind, protocol, _name, (address, *_rest) = info
    if (place := place_of(address)) not in allowed:
        raise Refused(address, place)
    return socket.socket(family, kind, protocol)


def place_of(address: str) -> Place:
    """The worst of what it is and of what it carries."""
    places = set(map(_place, _meant(ip_address(address.partition("%")[0]))))
    return next(place for place in ("never", "local", "public") if place in places)


def _meant(address: IPv4Address | IPv6Address) -> Iterator[IPv4Address | IPv6Address]:
    bits = int(address)
    if isinstance(address, IPv6Address) and bits > 1 and any(address in carrier for carrier in CARRIERS):
        yield IPv4Address(bits & 0xFFFFFFFF)
        return
    yield address
    if isinstance(address, IPv4Address):
        return
    if address in SIX_TO_FOUR:
        yield IPv4Address(bits >> 80 & 0xFFFFFFFF)
    if address in TEREDO:
        yield IPv4Address(~bits & 0xFFFFFFFF)
    if bits >> 32 & 0xFFFFFFFF in ISATAP:
        yield IPv4Address(bits & 0xFFFFFFFF)


def _place(address: IPv4Address | IPv6Address) -> Place:
    if address in METADATA or address == BROADCAST or address.is_multicast or address.is_link_local:
        return "never"
    if isinstance(address, IPv6Address) and (address in OWN_NAT64 or address.is_site_local):
        return "never"
    return "public" if address.is_global else "local"
