"""Links that clog: what they are given they keep, and deliver late when they open."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

from coterie.protocols.simulation.faults.link_rules import keeping
from coterie.protocols.simulation.protocol_network import Flight, Link, Network, Rule

__all__ = ["Clogging"]

M = TypeVar("M")


class Clogging(Generic[M]):
    """Some links, each of which is open, then clogged, then open for good. Hits count as `name`."""

    def __init__(self, network: Network[M], name: str, links: Iterable[Link]) -> None:
        self._network = network
        self._kept: dict[Link, list[Flight]] = {link: [] for link in links}
        self._rules = {link: Rule(name, keeping(kept)) for link, kept in self._kept.items()}

    def close(self, link: Link) -> None:
        """Clog `link`, unless it has been opened for good."""
        if link in self._rules:
            self._network.begin(self._rules[link], [link])

    def open(self, link: Link) -> None:
        """Open `link` for good; what it has kept is under way now."""
        if link in self._rules:
            self._network.end(self._rules.pop(link), [link])
            for flight in self._kept.pop(link):
                self._network.release(flight)

    def open_all(self) -> None:
        """Open what is not open yet."""
        for link in list(self._rules):
            self.open(link)
