"""What a transport tells whoever owns it."""

from __future__ import annotations

from typing import Protocol

from coterie.runtime.transport.handshake.identity import Peer

__all__ = ["TransportEvents"]


class TransportEvents(Protocol):
    """Callbacks. All are called on the event loop and must not raise. Any of them may call `Transport.send`.

    For one node the order is: link_up, delivered…, link_down, and again; `node_lost` comes only while no link to the
    node is up. After a new incarnation has come up, nothing of the old one is ever reported again.
    """

    def link_up(self, peer: Peer) -> None:
        """Both connections to `peer` stand: `send` works from now on, from within this call already."""
        ...

    def link_down(self, peer: Peer, reason: str) -> None:
        """Report that the link ended, once per `link_up`: every item not yet delivered may be lost, either way.

        Called when connections broke or fell silent, when a newer link replaced this one, and by `Transport.close`.
        """
        ...

    def node_lost(self, peer: Peer, reason: str) -> None:
        """Report that `peer` has been out of reach for `lost_after_s`, or is back as a new incarnation.

        In the second case it is final: that incarnation will never be linked again. In the first, the same life may
        come back (it was only cut off): a new `link_up` follows then, and a new `node_lost` if it goes again.
        """
        ...

    def delivered(self, peer: Peer, lane_class: int, items: list[object]) -> None:
        """Take the items of one frame, at least one, in the order they were sent; arrays come as tuples.

        `lane_class` is 0 for control and consensus, 1 for bulk.
        """
        ...

    def refused(self, address: str, reason: str) -> None:
        """Report a handshake that failed, on either side; `address` ("host:port") is where the other end is."""
        ...
