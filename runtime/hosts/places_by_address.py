"""`PlacesByAddress`: counts the places that each network address takes, and finds the oldest of the one with most.

An address of IPv6 counts as its network of 64 bits: one machine may use them all.
"""

from __future__ import annotations

import ipaddress
from typing import Generic, TypeVar

__all__ = ["PlacesByAddress", "is_loopback", "network_of"]

Holder = TypeVar("Holder")

_PREFIX_BITS = 64


class PlacesByAddress(Generic[Holder]):
    """Holders of places, such as connections, in order of entering."""

    __slots__ = ("_by_network", "_network_by_holder")

    def __init__(self) -> None:
        self._by_network: dict[str, dict[Holder, None]] = {}  # sets, in order
        self._network_by_holder: dict[Holder, str] = {}

    def __len__(self) -> int:
        return len(self._network_by_holder)

    def enter(self, holder: Holder, network: str) -> None:
        """Take a place in the name of a network (see `network_of`), or of another source that shares places."""
        self._network_by_holder[holder] = network
        self._by_network.setdefault(network, {})[holder] = None

    def leave(self, holder: Holder) -> None:
        """Give the place back; no effect if it has none."""
        network = self._network_by_holder.pop(holder, None)
        if network is not None:
            held = self._by_network[network]
            del held[holder]
            if not held:
                del self._by_network[network]

    def count(self, network: str) -> int:
        """Return how many places a network takes."""
        return len(self._by_network.get(network, ()))

    def most_crowded(self, home: str = "", home_places: int = 0) -> Holder:
        """Return the oldest holder of the network that takes most places. ValueError: there is none.

        `home`: a network of which so many places do not count: they are given up last.
        """

        def counted(network: str) -> int:
            return self.count(network) - (home_places if network == home else 0)

        return next(iter(self._by_network[max(self._by_network, key=counted)]))


def network_of(address: str) -> str:
    """Return what an IP address counts as: itself, or its network of 64 bits; a name is returned as it is."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed), _PREFIX_BITS), strict=False))


def is_loopback(network: str) -> bool:
    """Return whether a network (see `network_of`) is this machine itself."""
    try:
        return ipaddress.ip_network(network).is_loopback or network == _LOOPBACK_NETWORK
    except ValueError:
        return False


_LOOPBACK_NETWORK = network_of("::1")
