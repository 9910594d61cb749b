"""`TransportEvents`: defines the callbacks by which a transport reports links, lost nodes, items, failed handshakes."""

from __future__ import annotations

from typing import Protocol

from coterie.runtime.transport.descriptor_budget import DescriptorReport
from coterie.runtime.transport.handshake.identity import Peer

__all__ = ["TransportEvents"]


class TransportEvents(Protocol):
    """Callbacks of a transport's owner. All run on the event loop and must not raise. Each may call `Transport.send`.

    For one node the order is: link_up, delivered…, link_down, and again; `node_lost` comes only while no link to the
    node is up. After `link_up` of a new incarnation, nothing of the old one is reported.
    """

    def link_up(self, peer: Peer) -> None:
        """Report that both connections to `peer` are up: `send` works from now on, also within this call."""
        ...

    def link_down(self, peer: Peer, reason: str) -> None:
        """Report that the link ended, once per `link_up`: items not yet delivered may be lost, in both directions.

        Called when connections broke or fell silent, when a newer link replaced this one, and by `Transport.close`.
        """
        ...

    def node_lost(self, peer: Peer, reason: str) -> None:
        """Report that `peer` has been unreachable for `lost_after_s`, or is back as a new incarnation.

        The second case is final: that incarnation will never be linked again, unless the newer one has another store:
        then they are two processes of one name, see `Peers`. In the first case, the same incarnation may come back
        (after a partition): then a new `link_up` follows, and a new `node_lost` if it is lost again.
        """
        ...

    def delivered(self, peer: Peer, lane_class: int, items: list[object]) -> None:
        """Take the items of one frame, at least one, in the order they were sent; arrays arrive as tuples.

        `lane_class` is 0 for control and consensus, 1 for bulk.
        """
        ...

    def descriptors_changed(self, report: DescriptorReport) -> None:
        """Report that file descriptors run out, are ample again, or allow clients fewer connections than configured."""
        ...

    def refused(self, address: str, reason: str, *, is_dialled: bool = False) -> None:
        """Report a failed handshake; `address` ("host:port") is that of the other end. `is_dialled`: we dialled it."""
        ...
