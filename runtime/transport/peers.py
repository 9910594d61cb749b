"""Who is out there: the one link to each node, and when a node counts as lost."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from coterie.runtime.transport.connection import Connection
from coterie.runtime.transport.handshake.handshake_messages import RefusalReason, Refused, refuse
from coterie.runtime.transport.handshake.identity import Peer, Role
from coterie.runtime.transport.link import Link
from coterie.runtime.transport.transport_events import TransportEvents
from coterie.runtime.transport.transport_state import Hub

__all__ = ["Roster"]

_SUPERSEDED_MAX = 16


@dataclass(slots=True)
class _Node:
    """What is known of one name. `peer` is its last life; `is_member` says that it was named, not merely met."""

    is_member: bool = False
    link: Link | None = None
    peer: Peer | None = None
    is_lost: bool = False
    absent_s: float = 0.0
    superseded: deque[int] = field(default_factory=lambda: deque(maxlen=_SUPERSEDED_MAX))


class Roster:
    """Keeps at most one link per node and tells the events in their order.

    A newer link replaces the older one, except that of two that the same two lives dialled at the same time, from both
    ends, the one dialled by the smaller name stays: so both ends keep the same one. A newer life of a node ends the
    older life for good. Members (see
    `add_member`) are remembered for ever, everybody else until lost.

    Time passes here only through `sweep`. A step is capped by whoever calls it, so that a stall of our own loop,
    however long, never counts as a long absence of everybody else.
    """

    def __init__(self, hub: Hub, events: TransportEvents) -> None:
        self._hub = hub
        self._events = events
        self._nodes: dict[str, _Node] = {}
        self.links: dict[str, Link] = {}  # what `send` looks into: links that are up, by node

    def add_member(self, node: str) -> None:
        """Remember `node` as a node of the cluster: no client may take its name."""
        self._nodes.setdefault(node, _Node()).is_member = True

    def present(self, node: str) -> Link | None:
        """Return the link to `node` that is up or draining, if any."""
        known = self._nodes.get(node)
        return known.link if known is not None else None

    def absence(self, node: str) -> str:
        """Say why there is no link to `node`."""
        known = self._nodes.get(node)
        if known is None:
            return "no such node is known"
        if known.link is not None:
            return "its link is closing"
        if known.peer is None:
            return "it has not been linked yet"
        return f"its link has been down for {known.absent_s:.1f} s" + (", it is lost" if known.is_lost else "")

    def refusal(self, peer: Peer) -> Refused | None:
        """Return why `peer` may not have a link, or None if it may."""
        known = self._nodes.get(peer.node)
        if known is None:
            return None
        if peer.incarnation in known.superseded:
            text = f"a newer life of {peer.node!r} has been here; if both run, one of them needs another name"
            return refuse(RefusalReason.SUPERSEDED, text)
        if peer.role is not _role(known, peer):
            return refuse(RefusalReason.NAME_TAKEN, f"{peer.node!r} is the name of a {_role(known, peer).value}")
        return None

    def sweep(self, step_s: float) -> None:
        """Let `step_s` pass: links keep alive or fall silent, absent nodes become lost."""
        for name, node in list(self._nodes.items()):
            if node.link is not None:
                node.link.beat(step_s)
            elif node.peer is not None and not node.is_lost:
                node.absent_s += step_s
                if node.absent_s >= self._hub.config.lost_after_s:
                    self._lose(name, node, f"out of reach for {node.absent_s:.1f} s")

    def finish(self, reason: str) -> list[Connection]:
        """End every link, letting what is queued leave; return the connections that may still be busy with that."""
        links = [node.link for node in list(self._nodes.values()) if node.link is not None]
        for link in links:
            link.finish(reason)
        return [connection for link in links for connection in (link.control, link.bulk)]

    # What links call.

    def link_ready(self, link: Link) -> None:
        """Admit `link`, ending what it replaces (LinkObserver)."""
        peer = link.peer
        refusal = self.refusal(peer)
        if refusal is not None:
            link.down(refusal.text)
            return
        node = self._nodes.setdefault(peer.node, _Node())
        if node.link is not None:
            if self._yields(link, node.link):
                link.down("both ends dialled: the link dialled by the smaller name stays")
                return
            node.link.down(_replaced(node.link.peer, peer))
        if node.peer is not None:
            self._hub.counters.reconnects += 1
            if node.peer.incarnation != peer.incarnation:
                self._supersede(peer.node, node, node.peer)
        self._nodes[peer.node] = node  # losing the older life may have forgotten it
        node.link, node.peer, node.is_lost, node.absent_s = link, peer, False, 0.0
        self.links[peer.node] = link
        self._hub.counters.links_up += 1
        link.admit()
        self._events.link_up(peer)

    def link_draining(self, link: Link) -> None:
        """Send no more to it (LinkObserver)."""
        del self.links[link.peer.node]

    def link_down(self, link: Link, reason: str) -> None:
        """Report it (LinkObserver)."""
        self.links.pop(link.peer.node, None)  # a link that was draining is out already
        node = self._nodes[link.peer.node]
        node.link = None
        node.absent_s = link.silent_s  # silence was absence already
        self._hub.counters.links_down += 1
        self._events.link_down(link.peer, reason)

    def items_received(self, link: Link, lane_class: int, items: list[object]) -> None:
        """Deliver them (LinkObserver)."""
        self._events.delivered(link.peer, lane_class, items)

    # Below: leaves.

    def _yields(self, newer: Link, older: Link) -> bool:
        """Return whether `newer` is the crossing dial of the larger name."""
        is_crossing = newer.peer == older.peer and newer.is_dialled_by_us is not older.is_dialled_by_us
        our_name_is_smaller = self._hub.identity.node < newer.peer.node
        return is_crossing and newer.is_dialled_by_us is not our_name_is_smaller

    def _supersede(self, name: str, node: _Node, old: Peer) -> None:
        node.superseded.append(old.incarnation)
        if not node.is_lost:
            self._lose(name, node, "it came back as a new incarnation")

    def _lose(self, name: str, node: _Node, reason: str) -> None:
        node.is_lost = True
        if not node.is_member:
            del self._nodes[name]
        self._hub.counters.nodes_lost += 1
        if node.peer is not None:
            self._events.node_lost(node.peer, reason)


def _replaced(older: Peer, newer: Peer) -> str:
    if older.incarnation == newer.incarnation:
        return "replaced by a newer link"
    return f"another life of {newer.node!r} has linked; if both run, one of them needs another name"


def _role(known: _Node, peer: Peer) -> Role:
    """Return the role that the name stands for."""
    if known.is_member:
        return Role.NODE
    return known.peer.role if known.peer is not None else peer.role
