"""`CloggedLinks`: holds back all messages on clogged network links, and delivers them when the links open again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

from coterie.protocols.simulation.faults.link_rules import clog_rule
from coterie.protocols.simulation.protocol_network import FaultRule, NodePair, OutgoingMessage, ProtocolNetwork

__all__ = ["CloggedLinks"]

M = TypeVar("M")


class CloggedLinks(Generic[M]):
    """Some links, each of which is open, then clogged, then open permanently. Hits count as `name`."""

    def __init__(self, network: ProtocolNetwork[M], name: str, links: Iterable[NodePair]) -> None:
        self._network = network
        self._queue_by_link: dict[NodePair, list[OutgoingMessage]] = {link: [] for link in links}
        self._rules = {link: FaultRule(name, clog_rule(queue)) for link, queue in self._queue_by_link.items()}

    def clog(self, link: NodePair) -> None:
        """Clog `link`, unless it has been opened permanently."""
        if link in self._rules:
            self._network.add_rule(self._rules[link], [link])

    def open(self, link: NodePair) -> None:
        """Open `link` permanently, and send its queued messages on."""
        if link in self._rules:
            self._network.remove_rule(self._rules.pop(link), [link])
            for message in self._queue_by_link.pop(link):
                self._network.release(message)

    def open_all(self) -> None:
        """Open all links that are not permanently open."""
        for link in list(self._rules):
            self.open(link)
