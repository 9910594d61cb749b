"""`RemoteWatches`: watches actors on other nodes: each watcher gets exactly one notice of the end, even if links break.

    watcher's node                                    watched node
    RemoteWatches: node → actor → watchers    WATCH ─▶      RemoteWatcher, one for each actor and peer
                                      ◀─ ENDED        when the actor ends, or has ended already

A peer may watch `RemoteConfig.watches_max` actors of a node: beyond that it is told that the actor ended, "refused: …".
A peer that watches, and does not read what it is told, loses its link: the next one announces its watches again.

The watched node drops a peer's watches when its link goes down. Each new link to the same incarnation announces them
again, so that an end in between is reported then. If an incarnation is lost, or replaced by another, all its watched
actors count as ended.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from coterie.errors import AskError, BadMessage
from coterie.runtime.actor import Terminated
from coterie.runtime.remote.error_codes import TEXT_CHARS_MAX, wire_text
from coterie.runtime.remote.interned_routes import NAME_CHARS_MAX, find_cell
from coterie.runtime.remote.rows import ENDED, UNWATCH, WATCH, Row
from coterie.runtime.transport.handshake.identity import PeerRole

if TYPE_CHECKING:
    from coterie.runtime.cells.cell import Cell
    from coterie.runtime.refs import Ref
    from coterie.runtime.remote.association import Association
    from coterie.runtime.remote.remoting import Remoting
    from coterie.runtime.transport.handshake.identity import Peer

__all__ = ["UNREAD_SIGNALS_MAX", "RemoteWatch", "RemoteWatcher", "RemoteWatches", "unwatch_for", "watch_for"]

UNREAD_SIGNALS_MAX: Final = 4096
"""So many notices may wait for a peer when it asks for one more of an actor that it does not watch."""

ActorKey = tuple[int, str, int]
"""(incarnation, path, uid)."""


class RemoteWatch:
    """One actor on another node that is watched here, and its watchers."""

    __slots__ = ("_watches", "ref", "watchers")

    def __init__(self, watches: RemoteWatches, ref: Ref[Any]) -> None:
        self.ref = ref
        self.watchers: dict[Cell, None] = {}
        self._watches = watches

    def drop_watcher(self, watcher: Cell) -> None:
        """Remove `watcher`; the watch ends with its last watcher."""
        self.watchers.pop(watcher, None)
        if not self.watchers:
            self._watches.drop(self)


class RemoteWatches:
    """The watches of this system's actors on other nodes."""

    def __init__(self, remoting: Remoting) -> None:
        self._remoting = remoting
        self._by_node: dict[str, dict[ActorKey, RemoteWatch]] = {}
        self._grace_timers: dict[str, asyncio.TimerHandle] = {}  # by node without a link

    def watch(self, watcher: Cell, ref: Ref[Any]) -> RemoteWatch:
        """Notify `watcher` of the end of `ref`; return the watch it belongs to."""
        by_actor = self._by_node.setdefault(ref.node, {})
        watch = by_actor.get(_actor_key(ref))
        if watch is None:
            watch = by_actor[_actor_key(ref)] = RemoteWatch(self, ref)
            self._announce(watch)
        watch.watchers[watcher] = None
        return watch

    def drop(self, watch: RemoteWatch) -> None:
        """End a watch here and at the other node."""
        if self._forget(watch):
            association = self._remoting.association(watch.ref.node)
            if association is not None and association.peer.incarnation == watch.ref.incarnation:
                association.signal((UNWATCH, watch.ref.path, watch.ref.uid))

    def __len__(self) -> int:
        return sum(map(len, self._by_node.values()))

    # --- events -----------------------------------------------------------------------------------------------------

    def link_up(self, association: Association) -> None:
        """Announce the watches of that node; those of another incarnation have ended."""
        node = association.peer.node
        self._cancel_grace_timer(node)
        for watch in list(self._by_node.get(node, {}).values()):
            self._announce(watch)

    def node_lost(self, peer: Peer, reason: str) -> None:
        """Notify the watchers of all actors of that incarnation."""
        for watch in list(self._by_node.get(peer.node, {}).values()):
            if watch.ref.incarnation == peer.incarnation:
                self._end(watch, f"lost: {reason}")

    def end_all(self, node: str, reason: str) -> None:
        """Notify the watchers of all actors of a node, whatever its incarnation."""
        for watch in list(self._by_node.get(node, {}).values()):
            self._end(watch, f"lost: {reason}")

    def ended(self, peer: Peer, path: str, uid: int, cause: str) -> None:
        """Notify the watchers of an actor that it has ended; no effect if it is not watched."""
        watch = self._by_node.get(peer.node, {}).get((peer.incarnation, path, uid))
        if watch is not None:
            self._end(watch, cause)

    def close(self) -> None:
        """Cancel all timers."""
        for node in list(self._grace_timers):
            self._cancel_grace_timer(node)

    def _announce(self, watch: RemoteWatch) -> None:
        association = self._remoting.association(watch.ref.node)
        if association is None:
            self._start_grace_timer(watch.ref.node)
        elif association.peer.incarnation != watch.ref.incarnation:
            # Later: the watcher is not added yet.
            self._remoting.system.loop.call_soon(self._end, watch, "lost: its node is back as a new incarnation")
        else:
            association.signal((WATCH, watch.ref.path, watch.ref.uid))

    def _start_grace_timer(self, node: str) -> None:
        """Start a timer for a node without a link: the transport reports no loss of a node never linked."""
        if node not in self._grace_timers:
            lost_after_s = self._remoting.system.config.transport.lost_after_s
            self._grace_timers[node] = self._remoting.system.loop.call_later(lost_after_s, self._end_grace, node)

    def _cancel_grace_timer(self, node: str) -> None:
        timer = self._grace_timers.pop(node, None)
        if timer is not None:
            timer.cancel()

    def _end_grace(self, node: str) -> None:
        self._cancel_grace_timer(node)
        self.end_all(node, "there is no link to its node")

    def _end(self, watch: RemoteWatch, cause: str) -> None:
        if self._forget(watch):
            watchers, watch.watchers = watch.watchers, {}
            for watcher in watchers:
                watcher.watched_ended(watch, Terminated(watch.ref, cause))

    def _forget(self, watch: RemoteWatch) -> bool:
        by_actor = self._by_node.get(watch.ref.node, {})
        if by_actor.get(_actor_key(watch.ref)) is not watch:
            return False
        del by_actor[_actor_key(watch.ref)]
        if not by_actor:
            del self._by_node[watch.ref.node]
            self._cancel_grace_timer(watch.ref.node)
        return True


class RemoteWatcher:
    """A peer as the watcher of one local actor. Kept in `association.watched`."""

    __slots__ = ("_association", "_cell")

    def __init__(self, association: Association, cell: Cell) -> None:
        self._association = association
        self._cell = cell
        association.watched[cell] = self
        cell.add_watcher(self)

    def watched_ended(self, watched: object, notice: Terminated) -> None:
        """Notify the peer that the actor has ended."""
        self._association.watched.pop(self._cell, None)
        cause = notice.cause[:TEXT_CHARS_MAX]
        if self._association.peer.role is PeerRole.CLIENT:
            cause = ":".join(cause.split(":")[:2])  # "failed: ValueError": what an exception said is not for clients
        self._association.signal((ENDED, self._cell.path, self._cell.ref.uid, cause))

    def end(self) -> None:
        """Stop watching."""
        self._association.watched.pop(self._cell, None)
        self._cell.drop_watcher(self)


def watch_for(association: Association, path: str, uid: int) -> None:
    """Notify the peer of an association of the end of a local actor: at once, if it has ended, or may not be watched.

    Raises:
        BadMessage: no actor has such a path.
    """
    if len(path) > NAME_CHARS_MAX:
        raise BadMessage(f"a watch of a path of {len(path)} characters: the longest has {NAME_CHARS_MAX}")
    try:
        cell = find_cell(association.system, association.peer.role, path, uid)
    except AskError as error:
        _answer_at_once(association, (ENDED, path, uid, f"stopped: {wire_text(error)}"))
        return
    most = association.system.remoting.config.watches_max
    if cell in association.watched:
        return
    if len(association.watched) < most:
        RemoteWatcher(association, cell)
    else:
        where = f"node {association.system.node!r}"
        cause = f"refused: {association.peer.node!r} watches {most} actors of {where} already; see watches_max="
        _answer_at_once(association, (ENDED, path, uid, cause))


def _answer_at_once(association: Association, row: Row) -> None:
    """Send the answer to a watch; if too many wait already, end the link: the peer does not read them."""
    if association.signals_waiting < UNREAD_SIGNALS_MAX:
        association.signal(row)
    else:
        # Later: the rows of this frame are still being handled.
        association.system.loop.call_soon(association.system.remoting.end_unread, association)


def unwatch_for(association: Association, path: str, uid: int) -> None:
    """Stop notifying the peer of an association about a local actor."""
    cell = association.system.registry.cell_at(path)
    watcher = association.watched.get(cell) if cell is not None and cell.ref.uid == uid else None
    if watcher is not None:
        watcher.end()


def _actor_key(ref: Ref[Any]) -> ActorKey:
    return (ref.incarnation, ref.path, ref.uid)
