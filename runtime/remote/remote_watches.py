"""Watching actors on other nodes: exactly one notice for each watch, whatever happens to the links meanwhile.

    watcher's node                                    watched node
    Watches: node → actor → watchers    WATCH ─▶      RemoteWatcher, one for each actor and peer
                                      ◀─ ENDED        when the actor ends, or is gone already

An association ends with its link, and the watched node forgets the peer's watches with it; each new link to the same
life of the node announces them anew, so that an end in between is heard then. A life that is lost, or replaced by
another, has ended for all.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from coterie.errors import AskError
from coterie.runtime.actor import Terminated
from coterie.runtime.remote.error_codes import TEXT_CHARS_MAX, short
from coterie.runtime.remote.interned_routes import find_cell
from coterie.runtime.remote.rows import ENDED, UNWATCH, WATCH

if TYPE_CHECKING:
    from coterie.runtime.cells.cell import Cell
    from coterie.runtime.refs import Ref
    from coterie.runtime.remote.association import Association
    from coterie.runtime.remote.remoting import Remoting
    from coterie.runtime.transport.handshake.identity import Peer

__all__ = ["RemoteWatcher", "Watch", "Watches", "unwatch_for", "watch_for"]

Life = tuple[int, str, int]
"""(incarnation, path, uid)."""


class Watch:
    """One actor on another node that is watched here, and who watches it."""

    __slots__ = ("_watches", "ref", "watchers")

    def __init__(self, watches: Watches, ref: Ref[Any]) -> None:
        self.ref = ref
        self.watchers: dict[Cell, None] = {}
        self._watches = watches

    def drop_watcher(self, watcher: Cell) -> None:
        """Tell `watcher` nothing; the last one to go ends the watch."""
        self.watchers.pop(watcher, None)
        if not self.watchers:
            self._watches.drop(self)


class Watches:
    """What the actors of this system watch on other nodes."""

    def __init__(self, remoting: Remoting) -> None:
        self._remoting = remoting
        self._by_node: dict[str, dict[Life, Watch]] = {}
        self._patience: dict[str, asyncio.TimerHandle] = {}  # with nodes that had no link when they were watched

    def watch(self, watcher: Cell, ref: Ref[Any]) -> Watch:
        """Let `watcher` hear of the end of `ref`; return what it is one of the watchers of."""
        by_life = self._by_node.setdefault(ref.node, {})
        watch = by_life.get(_life(ref))
        if watch is None:
            watch = by_life[_life(ref)] = Watch(self, ref)
            self._announce(watch)
        watch.watchers[watcher] = None
        return watch

    def drop(self, watch: Watch) -> None:
        """Watch no more; the other node forgets it as well."""
        if self._forget(watch):
            association = self._remoting.association(watch.ref.node)
            if association is not None and association.peer.incarnation == watch.ref.incarnation:
                association.signal((UNWATCH, watch.ref.path, watch.ref.uid))

    def __len__(self) -> int:
        return sum(map(len, self._by_node.values()))

    # --- what is heard ----------------------------------------------------------------------------------------------

    def link_up(self, association: Association) -> None:
        """Announce what is watched there; what was watched in another life of the node is no more."""
        node = association.peer.node
        self._be_patient_no_more(node)
        for watch in list(self._by_node.get(node, {}).values()):
            self._announce(watch)

    def node_lost(self, peer: Peer, reason: str) -> None:
        """Tell the watchers of that life of a node that it is over."""
        for watch in list(self._by_node.get(peer.node, {}).values()):
            if watch.ref.incarnation == peer.incarnation:
                self._end(watch, f"lost: {reason}")

    def ended(self, peer: Peer, path: str, uid: int, cause: str) -> None:
        """Tell the watchers of an actor that it is no more; nobody, if nobody watches it any more."""
        watch = self._by_node.get(peer.node, {}).get((peer.incarnation, path, uid))
        if watch is not None:
            self._end(watch, cause)

    def close(self) -> None:
        """Wait for nobody any more."""
        for node in list(self._patience):
            self._be_patient_no_more(node)

    # --- leaves -----------------------------------------------------------------------------------------------------

    def _announce(self, watch: Watch) -> None:
        association = self._remoting.association(watch.ref.node)
        if association is None:
            self._be_patient(watch.ref.node)
        elif association.peer.incarnation != watch.ref.incarnation:
            # Not at this moment: the watcher is not entered yet.
            self._remoting.system.loop.call_soon(self._end, watch, "lost: its node is back in another life")
        else:
            association.signal((WATCH, watch.ref.path, watch.ref.uid))

    def _be_patient(self, node: str) -> None:
        """Give a node without a link the time after which one is lost: of a node never met, nobody else would tell."""
        if node not in self._patience:
            lost_after_s = self._remoting.system.config.transport.lost_after_s
            self._patience[node] = self._remoting.system.loop.call_later(lost_after_s, self._give_up, node)

    def _be_patient_no_more(self, node: str) -> None:
        timer = self._patience.pop(node, None)
        if timer is not None:
            timer.cancel()

    def _give_up(self, node: str) -> None:
        self._be_patient_no_more(node)
        for watch in list(self._by_node.get(node, {}).values()):
            self._end(watch, "lost: there is no link to its node")

    def _end(self, watch: Watch, cause: str) -> None:
        if self._forget(watch):
            watchers, watch.watchers = watch.watchers, {}
            for watcher in watchers:
                watcher.watched_ended(watch, Terminated(watch.ref, cause))

    def _forget(self, watch: Watch) -> bool:
        by_life = self._by_node.get(watch.ref.node, {})
        if by_life.get(_life(watch.ref)) is not watch:
            return False
        del by_life[_life(watch.ref)]
        if not by_life:
            del self._by_node[watch.ref.node]
            self._be_patient_no_more(watch.ref.node)
        return True


class RemoteWatcher:
    """A peer in its role as the watcher of one actor of ours. Lives in `association.watched`."""

    __slots__ = ("_association", "_cell")

    def __init__(self, association: Association, cell: Cell) -> None:
        self._association = association
        self._cell = cell
        association.watched[cell] = self
        cell.add_watcher(self)

    def watched_ended(self, watched: object, notice: Terminated) -> None:
        """Tell the peer that the actor is no more."""
        self._association.watched.pop(self._cell, None)
        self._association.signal((ENDED, self._cell.path, self._cell.ref.uid, notice.cause[:TEXT_CHARS_MAX]))

    def end(self) -> None:
        """Watch no more."""
        self._association.watched.pop(self._cell, None)
        self._cell.drop_watcher(self)


def watch_for(association: Association, path: str, uid: int) -> None:
    """Let the peer of an association hear of the end of an actor of ours: now, if it is over."""
    try:
        cell = find_cell(association.system, association.peer.role, path, uid)
    except AskError as error:
        association.signal((ENDED, path, uid, f"stopped: {short(error)}"))
        return
    if cell not in association.watched:
        RemoteWatcher(association, cell)


def unwatch_for(association: Association, path: str, uid: int) -> None:
    """Let the peer of an association hear no more of an actor of ours."""
    cell = association.system.cell_at(path)
    watcher = association.watched.get(cell) if cell is not None and cell.ref.uid == uid else None
    if watcher is not None:
        watcher.end()


def _life(ref: Ref[Any]) -> Life:
    return (ref.incarnation, ref.path, ref.uid)
