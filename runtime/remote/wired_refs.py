"""`WiredRefs`: makes the refs that arrive over a link: they act with the rights of the system that sent them.

A message may hold refs, and an actor that uses one speaks in its own name. So that no system gets more done by a ref
than it could do itself (a confused deputy):

* A ref from a node reaches any actor, with messages that it takes: what travelled as a Ref[Price] may not be one.
* A ref from a client reaches what the client reaches: exported actors, with messages that they take and that clients
  may send (`Speaker.CLIENT`); and the client itself. It keeps that mark when it travels on to another node, which
  enforces it there (`ROUTE_AS_CLIENT`). No actor is stopped by it, none but an exported one of this node is watched by
  it, and it never reaches another client.

What does not arrive for that reason is a dead letter; an ask or an offer fails.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coterie.errors import BadMessage, CoterieError, NotExported
from coterie.runtime.local_delivery import OTHER_INCARNATION_UID, LocalDelivery
from coterie.runtime.messages.message_codecs import MessageType
from coterie.runtime.messages.speakers import Speaker
from coterie.runtime.refs import Ref
from coterie.runtime.remote.error_codes import dead_letter_reason
from coterie.runtime.remote.interned_routes import not_for_clients
from coterie.runtime.remote.remote_delivery import RemoteDelivery
from coterie.runtime.transport.handshake.identity import PeerRole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coterie.runtime.cells.cell import Cell
    from coterie.runtime.system import System
    from coterie.runtime.transport.handshake.identity import Peer

__all__ = ["ClientRef", "WiredRefs"]


class WiredRefs:
    """The resolver of what one peer sends."""

    __slots__ = ("_incarnation", "_is_client", "_node", "_peer_name", "_system")

    def __init__(self, system: System, peer: Peer) -> None:
        self._system = system
        self._node = system.node
        self._incarnation = system.incarnation
        self._peer_name = peer.node
        self._is_client = peer.role is PeerRole.CLIENT

    def ref(self, node: str, incarnation: int, path: str, uid: int, *, as_client: bool = False) -> Ref[Any]:
        """Return the ref with that name. `as_client`: it is marked as that of a client."""
        as_client = as_client or (self._is_client and node != self._peer_name)
        if node != self._node:
            remote = RemoteDelivery(self._system.remoting, node, incarnation, path, uid, as_client=as_client)
            return (ClientRef if as_client else PeerRef)(node, incarnation, path, uid, remote)
        is_current = uid == 0 or incarnation == self._incarnation
        delivery = _WiredDelivery(self._system, path, uid if is_current else OTHER_INCARNATION_UID, as_client=as_client)
        return (ClientRef if as_client else PeerRef)(node, incarnation, path, uid, delivery)


class PeerRef(Ref[Any]):
    """A ref that arrived over a link."""

    __slots__ = ()

    from_peer = True


class ClientRef(PeerRef):
    """A ref that a client gave: it acts with the client's rights wherever it travels."""

    __slots__ = ()

    as_client = True

    def to_wire(self) -> Sequence[object]:
        """Return the row that crosses the wire, with the mark."""
        return (self.node, self.incarnation, self.path, self.uid, True)


class _WiredDelivery(LocalDelivery):
    """Delivers to a path of this system, looked up and checked for each message."""

    __slots__ = ("_as_client",)

    def __init__(self, system: System, path: str, uid: int, *, as_client: bool) -> None:
        super().__init__(system, path, uid)
        self._as_client = as_client

    def _found(self, item: object) -> Cell | CoterieError:
        cell = self._cell()
        if cell is not None:
            return _refusal(cell, item, as_client=self._as_client) or cell
        if not self._as_client:
            return self._missing()
        failed = self._system.registry.failed_at(self._path, is_client=True)
        return failed or not_for_clients(self._system, self._path)

    def _drop(self, item: object, error: CoterieError) -> None:
        if isinstance(error, BadMessage | NotExported):
            self._system.dead_letters.add(dead_letter_reason(error), self._path, item, str(error))
        else:
            super()._drop(item, error)


def _refusal(cell: Cell, item: object, *, as_client: bool) -> CoterieError | None:
    """Return why a message does not reach an actor by a wired ref; None if it does."""
    if not as_client and type(item) in cell.actor_class.plain:
        return None  # the common case
    described = type(item).__dict__.get("__coterie__")
    if not isinstance(described, MessageType) or not cell.actor_class.takes(described):
        where = f"actor {cell.path!r} on node {cell.system.node!r}"
        return BadMessage(f"{where} does not take {type(item).__name__!r:.100}: the ref came from another system")
    if as_client and not (cell.options.is_for_clients and described.speaker is Speaker.CLIENT):
        return not_for_clients(cell.system, cell.path)
    return None
