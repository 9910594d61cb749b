"""`Peers`: keeps the link to each other node (at most one), and decides when a node counts as lost.

Lost nodes. Decided here, in `check_liveness`, once a node has had no link for `lost_after_s` (its silence before the
link went down counts), and in `link_ready`, when it is back as a new incarnation; or by a failure detector, through
`System.declare_lost`. Carried out by `TransportEvents.node_lost`: `remote/remoting.py` ends the watches of that
incarnation (`remote/remote_watches.py`) and notifies link listeners. A silent connection is detected by
`keep_alive.py`; the link then goes down, which alone does not make the node lost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from coterie.runtime.transport.connection import Connection
from coterie.runtime.transport.handshake.handshake_messages import HandshakeRefusal, RefusalReason, refuse
from coterie.runtime.transport.handshake.identity import CLIENT_SEPARATOR, Peer, PeerRole, owner_of
from coterie.runtime.transport.link import Link
from coterie.runtime.transport.transport_events import TransportEvents
from coterie.runtime.transport.transport_state import TransportState

__all__ = ["Peers"]

_SUPERSEDED_MAX = 16
_STORE_CHARS = 8  # of a store's id in a message


@dataclass(slots=True)
class _PeerEntry:
    """State of one node name. `peer`: its latest incarnation. `address`: that of a member, see `add_member`."""

    address: tuple[str, int] | None = None
    link: Link | None = None
    peer: Peer | None = None
    is_lost: bool = False
    absent_s: float = 0.0
    trusted_stores: dict[str, None] = field(default_factory=dict)
    superseded: deque[int] = field(default_factory=lambda: deque(maxlen=_SUPERSEDED_MAX))

    @property
    def is_member(self) -> bool:
        return self.address is not None


class Peers:
    """Keeps at most one link per node and reports the events in order.

    A newer link replaces the older one, with one exception: if both ends dialled at the same time (same two
    incarnations), the link dialled by the smaller name stays, so both ends keep the same one. A new incarnation of a
    node supersedes the old one permanently. Members (see `add_member`) are never removed, other peers when they are
    lost.

    Two processes under one name. A durable store is open in one process at a time, so a new incarnation with the same
    store is the same node, started again, and supersedes the old one. But if that is still heard, one of the two runs
    on a copy of the store, and the new one is refused: both would vote, and count as one. A process with another store
    is another one, which must not push the first out: it is refused until that is lost, unless its store is trusted
    (`trust_store`) and the first one's is not. Of two processes without a store the second replaces the first, or, if
    `keeps_first_process`, is refused while the first one is heard. A process that was refused may try again. So may a
    client: its name is taken while another one of that name is heard. A node takes its name from a client in any case.

    Time advances here only by `check_liveness`. Its caller caps each step, so that a stall of our own loop never counts
    as absence of the peers.
    """

    def __init__(self, shared: TransportState, events: TransportEvents) -> None:
        self._shared = shared
        self._events = events
        self._entries: dict[str, _PeerEntry] = {}
        self._reserved: set[str] = set()
        self._dialled: set[str] = set()  # by a client: nodes at which one dialer has passed the first handshake
        self.keeps_first_process = False
        self.links: dict[str, Link] = {}  # links that are up, by node; used by `send`

    def add_member(self, node: str, address: tuple[str, int]) -> None:
        """Add `node`, at `address`, as a node of the cluster: no client may take its name."""
        self._entries.setdefault(node, _PeerEntry()).address = address

    def remove_member(self, node: str) -> None:
        """Undo `add_member`; a node that is linked, or was, is known until it is lost."""
        known = self._entries.get(node)
        if known is not None:
            known.address = None
            if known.peer is None or known.is_lost:
                del self._entries[node]

    def reserve(self, nodes: Iterable[str]) -> None:
        """Keep these names for nodes, members or not."""
        self._reserved.update(nodes)

    @property
    def member_count(self) -> int:
        """The number of members."""
        return sum(entry.is_member for entry in self._entries.values())

    @property
    def member_addresses(self) -> dict[str, tuple[str, int]]:
        """The addresses of the members, by name."""
        return {node: entry.address for node, entry in self._entries.items() if entry.address is not None}

    def is_member(self, peer: Peer) -> bool:
        """Return whether `peer` says that it is a node which was added as a member."""
        known = self._entries.get(peer.node)
        return known is not None and known.is_member and peer.role is PeerRole.NODE

    def trust_store(self, node: str, store: str) -> None:
        """Note that `store` is one of those that the cluster knows as a store of the member `node`."""
        known = self._entries.get(node)
        if known is not None and known.is_member:
            known.trusted_stores[store] = None

    def address_of(self, node: str) -> tuple[str, int] | None:
        """Return the (host, port) of a member; None if `node` is none."""
        known = self._entries.get(node)
        return known.address if known is not None else None

    def member(self, node: str) -> Peer | None:
        """Return the latest incarnation of a member, linked or not; None if it is none, or was never linked."""
        known = self._entries.get(node)
        if known is None or known.peer is None or known.peer.role is not PeerRole.NODE:
            return None
        return known.peer if known.is_member else None

    def link_to(self, node: str) -> Link | None:
        """Return the link to `node` that is up or draining; None if there is none."""
        known = self._entries.get(node)
        return known.link if known is not None else None

    def unreachable_reason(self, node: str) -> str:
        """Return why there is no link to `node`."""
        known = self._entries.get(node)
        if known is None:
            return "no such node is known"
        if known.link is not None:
            return "its link is closing"
        if known.peer is None:
            return "it has not been linked yet"
        return f"its link has been down for {known.absent_s:.1f} s" + (", it is lost" if known.is_lost else "")

    def refusal(self, peer: Peer) -> HandshakeRefusal | None:
        """Return why `peer` may not have a link, or None if it may."""
        known = self._entries.get(peer.node)
        if peer.role is PeerRole.CLIENT and self._is_name_of_node(peer.node):
            return refuse(RefusalReason.NAME_TAKEN, f"{peer.node!r} is the name of a node")
        if known is None:
            return None
        if peer.incarnation in known.superseded:
            return refuse(RefusalReason.SUPERSEDED, _superseded_text(peer))
        if peer.role is PeerRole.CLIENT and known.peer is not None and _is_second(known.peer, peer):
            if self._is_heard(known):
                return refuse(RefusalReason.NAME_IN_USE, _living_client_text(peer))
            return None
        if known.peer is not None and _must_wait_for(known, known.peer, peer):
            if known.link is not None:
                return refuse(RefusalReason.OTHER_STORE, _other_store_text(known.peer, peer))
            left_s = self._shared.config.lost_after_s - known.absent_s
            return refuse(RefusalReason.FORMER_STORE, _former_store_text(known.peer, peer, max(0.0, left_s)))
        if known.peer is not None and _is_other_life(known.peer, peer) and self._is_heard(known):
            return refuse(RefusalReason.COPIED_STORE, _copied_store_text(peer))
        is_second = known.peer is not None and _is_second_without_store(known.peer, peer)
        if self.keeps_first_process and is_second and self._is_heard(known):
            return refuse(RefusalReason.OTHER_STORE, _second_process_text(peer))
        return None

    @contextmanager
    def dialling(self, peer: Peer) -> Iterator[bool]:
        """Tell a dialer whether it may go on to make the link to `peer`, until the `with` block ends.

        A client dials every address that it knows of a node. A second link would replace the first one, and what is in
        flight there would be lost: so only one dialer at a time goes on, and none while that process is linked. A node
        dials another one at one address, and for links of both ends see `link_ready`.
        """
        if self._shared.identity.role is PeerRole.NODE:
            yield True
            return
        known = self._entries.get(peer.node)
        is_linked = known is not None and known.link is not None and known.link.peer.incarnation == peer.incarnation
        if is_linked or peer.node in self._dialled:
            yield False
            return
        self._dialled.add(peer.node)
        try:
            yield True
        finally:
            self._dialled.discard(peer.node)

    def check_liveness(self, step_s: float) -> None:
        """Advance time by `step_s`: keep links alive, close silent ones, declare nodes without a link lost."""
        for name, node in list(self._entries.items()):
            if node.link is not None:
                node.link.keep_alive(step_s)
            elif node.peer is not None:
                node.absent_s += step_s
                if not node.is_lost and node.absent_s >= self._shared.config.lost_after_s:
                    self._mark_lost(name, node, f"out of reach for {node.absent_s:.1f} s")

    def declare_lost(self, node: str, reason: str) -> None:
        """Close the link to `node` and report it lost now; no effect if it is lost already, or was never linked."""
        known = self._entries.get(node)
        if known is None or known.peer is None or known.is_lost:
            return
        if known.link is not None:
            known.link.down(reason)
        self._mark_lost(node, known, reason)

    def finish(self, reason: str) -> list[Connection]:
        """Close every link after its queued items have left; return the connections that may still be writing."""
        links = [node.link for node in list(self._entries.values()) if node.link is not None]
        for link in links:
            link.finish(reason)
        return [connection for link in links for connection in (link.control, link.bulk)]

    # Called by links.

    def link_ready(self, link: Link) -> None:
        """Admit `link` and close the link that it replaces (LinkObserver)."""
        peer = link.peer
        refusal = self.refusal(peer)
        if refusal is not None:
            link.down(refusal.text)
            return
        node = self._entries.setdefault(peer.node, _PeerEntry())
        if node.link is not None:
            if self._loses_crossing_dial(link, node.link):
                link.down("both ends dialled: the link dialled by the smaller name stays")
                return
            node.link.down(_replaced(node.link.peer, peer))
        if node.peer is not None:
            self._shared.counters.reconnects += 1
            if node.peer.incarnation != peer.incarnation:
                self._supersede(peer.node, node, node.peer, peer)
        self._entries[peer.node] = node  # `_mark_lost` may have deleted it
        node.link, node.peer, node.is_lost, node.absent_s = link, peer, False, 0.0
        self.links[peer.node] = link
        self._shared.counters.links_up += 1
        link.admit()
        self._events.link_up(peer)

    def link_draining(self, link: Link) -> None:
        """Stop sending on `link` (LinkObserver)."""
        del self.links[link.peer.node]

    def link_down(self, link: Link, reason: str) -> None:
        """Report that `link` is down (LinkObserver)."""
        self.links.pop(link.peer.node, None)  # a draining link is already removed
        node = self._entries[link.peer.node]
        node.link = None
        node.absent_s = link.silent_s  # silence counts as absence
        self._shared.counters.links_down += 1
        self._events.link_down(link.peer, reason)

    def items_received(self, link: Link, lane_class: int, items: list[object]) -> None:
        """Deliver items (LinkObserver)."""
        self._events.delivered(link.peer, lane_class, items)

    def _is_name_of_node(self, name: str) -> bool:
        if name in self._reserved:
            return True
        known = self._entries.get(name)
        return known is not None and (known.is_member or (known.peer is not None and known.peer.role is PeerRole.NODE))

    def _is_heard(self, known: _PeerEntry) -> bool:
        """Return whether the process at the other end of the link has sent something since the last two checks."""
        return known.link is not None and known.link.silent_s < 2 * self._shared.config.keepalive_interval_s

    def _loses_crossing_dial(self, newer: Link, older: Link) -> bool:
        """Return whether both ends dialled and `newer` was dialled by the larger name."""
        is_crossing = newer.peer == older.peer and newer.is_dialled_by_us is not older.is_dialled_by_us
        our_name_is_smaller = self._shared.identity.node < newer.peer.node
        return is_crossing and newer.is_dialled_by_us is not our_name_is_smaller

    def _supersede(self, name: str, node: _PeerEntry, old: Peer, new: Peer) -> None:
        if not _is_another_process(old, new) and old.role is PeerRole.NODE:
            node.superseded.append(old.incarnation)
        self._mark_lost(name, node, "it came back as a new incarnation")

    def _mark_lost(self, name: str, node: _PeerEntry, reason: str) -> None:
        if node.is_lost:
            return
        node.is_lost = True
        if not node.is_member:
            del self._entries[name]
        self._shared.counters.nodes_lost += 1
        if node.peer is not None:
            self._events.node_lost(node.peer, reason)


def _replaced(older: Peer, newer: Peer) -> str:
    if older.incarnation == newer.incarnation:
        return "replaced by a newer link"
    return f"another incarnation of {newer.node!r} was linked; if both run, give one of them another name"


def _is_another_process(old: Peer, new: Peer) -> bool:
    """Return whether two incarnations are different processes, not one node that was started again."""
    return old.store != "" and old.store != new.store and old.incarnation != new.incarnation


def _is_other_life(old: Peer, new: Peer) -> bool:
    """Return whether two incarnations have one durable store: one node, started again, or two on copies of it."""
    return old.store != "" and old.store == new.store and old.incarnation != new.incarnation


def _is_second_without_store(old: Peer, new: Peer) -> bool:
    """Return whether two nodes without a store have one name: the same one, started again, or two at once."""
    is_storeless = old.store == new.store == "" and old.role is new.role is PeerRole.NODE
    return is_storeless and old.incarnation != new.incarnation


def _must_wait_for(known: _PeerEntry, old: Peer, new: Peer) -> bool:
    """Return whether `new` must wait until `old`, the latest incarnation of that name, is lost."""
    if not _is_another_process(old, new):
        return False
    is_trusted_alone = new.store in known.trusted_stores and old.store not in known.trusted_stores
    return not is_trusted_alone and (known.link is not None or not known.is_lost)


def _other_store_text(old: Peer, new: Peer) -> str:
    ours = f"store {_short(new.store)}" if new.store else "no store"
    return (
        f"two processes call themselves {new.node!r}: one with store {_short(old.store)} is linked, this one has "
        f"{ours}; stop the wrong one, or start it on the right data directory"
    )


def _former_store_text(old: Peer, new: Peer, left_s: float) -> str:
    ours = f"store {_short(new.store)}" if new.store else "no store"
    return (
        f"this process of {new.node!r} has {ours}, its former one had store {_short(old.store)}: it is let in once the "
        f"former one has been out of reach for {left_s:.1f} s more; if it still runs, stop the wrong one"
    )


def _copied_store_text(new: Peer) -> str:
    return (
        f"two processes call themselves {new.node!r} and have store {_short(new.store)}, and the first one is up: this "
        f"one runs on a copy of its data directory; stop it, and remove the copy"
    )


def _second_process_text(new: Peer) -> str:
    return f"two processes call themselves {new.node!r}, and the first one is up: give one of them another name"


def _superseded_text(peer: Peer) -> str:
    if peer.store:
        return (
            f"a later process of {peer.node!r} with store {_short(peer.store)} was linked; if both run, one of them "
            f"runs on a copy of the data directory: stop both, and start the one with the original"
        )
    return f"a newer incarnation of {peer.node!r} was linked; if both run, give one of them another name"


def _short(store: str) -> str:
    return store[:_STORE_CHARS]


def _is_second(old: Peer, new: Peer) -> bool:
    """Return whether two clients have one name: the same one, started again, or two at once."""
    return old.role is PeerRole.CLIENT and old.incarnation != new.incarnation


def _living_client_text(peer: Peer) -> str:
    return (
        f"a client named {peer.node!r} is linked, and is heard; give this one another name, or a suffix: "
        f"{owner_of(peer.node) + CLIENT_SEPARATOR + 'two'!r}"
    )
