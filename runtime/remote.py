"""Between systems: what crosses a link, and who it is for.

Items on the wire (each a row):

    (TELL, path, uid, type name, fields)
    (ASK, id, path, uid, type name, fields, milliseconds left)
    (REPLY, id, value)
    (ERROR, id, code, text)

`uid` 0 means "whoever lives at that path". An unknown type, a bad field or a bad row is a dead letter; the link lives.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from coterie.errors import (
    ActorFailed,
    ActorNotFound,
    ActorStopped,
    AskError,
    AskTimeout,
    BadMessage,
    ConnectionLost,
    CoterieError,
    FrameTooLarge,
    MailboxFullError,
    NodeUnreachable,
    NotExported,
    OutboundFull,
    TransportError,
)
from coterie.runtime.asks import Envelope, PendingAsk
from coterie.runtime.codecs import Codec, MessageType
from coterie.runtime.dead_letters import Reason
from coterie.runtime.lanes import Lane
from coterie.runtime.messages import message_type
from coterie.runtime.transport.identity import Peer, Role

if TYPE_CHECKING:
    from coterie.runtime.cell import Cell
    from coterie.runtime.system import System
    from coterie.runtime.transport.transport import Transport

__all__ = ["LinkEvent", "RemotePostbox", "Remoting"]

TELL: Final = 0
ASK: Final = 1
REPLY: Final = 2
ERROR: Final = 3

_ROWS: Final[dict[int, tuple[type, ...]]] = {
    TELL: (int, str, int, str, tuple),
    ASK: (int, int, str, int, str, tuple, int),
    REPLY: (int, int, object),
    ERROR: (int, int, str, str),
}

_ERRORS: Final[dict[str, type[AskError]]] = {
    cls.code: cls
    for cls in (ActorFailed, ActorNotFound, ActorStopped, AskTimeout, MailboxFullError, NotExported, ConnectionLost)
}
_BAD_MESSAGE_CODE: Final = "bad_message"

_ERROR_CHARS_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class LinkEvent:
    """What happened to the link with a node: `kind` is `up`, `down` or `lost` (final for that incarnation)."""

    kind: str
    node: str
    incarnation: int
    role: Role
    reason: str


class _OutgoingAsk(PendingAsk):
    """An ask that is out to another node: leaves the table when it is resolved, however that comes."""

    __slots__ = ("ask_id", "node", "reply", "table")

    def __init__(self, ask: PendingAsk, node: str, ask_id: int, reply: Codec, table: dict[int, _OutgoingAsk]) -> None:
        super().__init__(ask.message, ask.deadline, ask.target, ask.future)
        self.node = node
        self.ask_id = ask_id
        self.reply = reply
        self.table = table
        table[ask_id] = self

    def resolve(self, value: object) -> None:
        """Answer with a reply."""
        self.table.pop(self.ask_id, None)
        super().resolve(value)

    def reject(self, error: CoterieError) -> None:
        """Answer with an error."""
        self.table.pop(self.ask_id, None)
        super().reject(error)


class _IncomingAsk(Envelope):
    """An ask that came from another node."""

    __slots__ = ("_described", "_id", "_is_answered", "_node", "_remoting")

    def __init__(self, remoting: Remoting, node: str, ask_id: int, described: MessageType, deadline: float) -> None:
        super().__init__(None, deadline)
        self._remoting = remoting
        self._node = node
        self._id = ask_id
        self._described = described
        self._is_answered = False

    @property
    def is_abandoned(self) -> bool:
        """Whether it was answered, or the asker has given up."""
        return self._is_answered or self._remoting.system.host.clock.monotonic() > self.deadline

    def resolve(self, value: object) -> None:
        """Send the reply; the asker gets an error instead if it cannot cross the wire, or is too large for it."""
        if self._is_answered:
            return
        described = self._described
        try:
            row = (REPLY, self._id, described.reply.encode(value))
            self._remoting.send_answer(self._node, described.lane, row)
            self._is_answered = True
        except Exception as error:  # noqa: BLE001 (whatever a foreign reply value makes its codec raise)
            text = f"the reply to {described.name!r} cannot cross the wire: {type(error).__name__}: {_short(error)}"
            self.reject(ActorFailed(text))

    def reject(self, error: CoterieError) -> None:
        """Send the error."""
        if self._is_answered:
            return
        self._is_answered = True
        code = error.code if isinstance(error, AskError) else ActorFailed.code
        self._remoting.send_answer(self._node, self._described.lane, (ERROR, self._id, code, _short(error)))


class RemotePostbox:
    """The way to one actor on another node: the postbox of its `Ref`."""

    __slots__ = ("_incarnation", "_node", "_path", "_remoting", "_uid")

    def __init__(self, remoting: Remoting, node: str, incarnation: int, path: str, uid: int) -> None:
        self._remoting = remoting
        self._node = node
        self._incarnation = incarnation
        self._path = path
        self._uid = uid

    def tell(self, item: object) -> None:
        """Send a message, or count it among the dead letters."""
        described = message_type(type(item))
        try:
            self._check_life()
            row = (TELL, self._path, self._uid, described.name, _encoded(described, item))
            self._remoting.send(self._node, row, described, item)
        except CoterieError as error:
            reason = _reason(error)
            self._remoting.system.dead_letters.add(reason, f"{self._path}@{self._node}", item, str(error))

    def ask(self, item: object, timeout_s: float | None) -> asyncio.Future[Any]:
        """Send an ask; the future has its reply."""
        described = message_type(type(item))
        system = self._remoting.system
        pending = system.pending_ask(item, timeout_s, f"{self._path}@{self._node}", on_wheel=False)
        try:
            self._check_life()
            outgoing = self._remoting.register(self._node, pending, described.reply)
        except CoterieError as error:
            pending.reject(error)
            return pending.future
        system.wheel.add(outgoing)
        left_ms = max(0, int((pending.deadline - system.host.clock.monotonic()) * 1000))
        try:
            row = (ASK, outgoing.ask_id, self._path, self._uid, described.name, _encoded(described, item), left_ms)
            self._remoting.send(self._node, row, described, item)
        except CoterieError as error:
            outgoing.reject(error)
        return pending.future

    def offer(self, item: object) -> asyncio.Future[None]:
        """Refuse: back-pressure across nodes needs numbered acknowledgements, which the wire does not have yet."""
        raise NotImplementedError(f"offer to {self._path!r} on {self._node!r}: offers work within one system only")

    def _check_life(self) -> None:
        known = self._remoting.incarnation_of(self._node)
        if self._uid and known is not None and known != self._incarnation:
            raise ActorStopped(f"actor {self._path!r} ended with an earlier life of node {self._node!r}")


class Remoting:
    """The links of one system: sends rows, delivers what comes, resolves what a lost link leaves open."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.transport: Transport | None = None
        self._asks: dict[int, _OutgoingAsk] = {}
        self._next_id = 0
        self._peers: dict[str, Peer] = {}
        self._listeners: list[Callable[[LinkEvent], None]] = []
        self.refused_handshakes: list[str] = []

    # --- sending ----------------------------------------------------------------------------------------------------

    def send(self, node: str, row: tuple[object, ...], described: MessageType, item: object) -> None:
        """Queue one row for a node. Raises what `Transport.send` raises; a field that cannot cross is a BadMessage."""
        if self.transport is None:
            raise NodeUnreachable(node, "this system has no network: it neither listens nor dials")
        try:
            self.transport.send(node, described.lane, row)
        except TypeError as error:
            raise described.blame(item) from error

    def send_answer(self, node: str, lane: Lane, row: tuple[object, ...]) -> None:
        """Queue a reply or an error; if the way back is gone, the asker learns it from its own end of the link.

        Raises:
            FrameTooLarge: the reply is; the asker should be told.
            TypeError: MessagePack cannot carry it.
        """
        if self.transport is None:
            return
        try:
            self.transport.send(node, lane, row)
        except FrameTooLarge:
            raise
        except TransportError as error:
            self.system.dead_letters.add(_reason(error), f"asker@{node}", row, str(error))

    def register(self, node: str, pending: PendingAsk, reply: Codec) -> _OutgoingAsk:
        """Enter an ask into the table."""
        self._next_id += 1
        return _OutgoingAsk(pending, node, self._next_id, reply, self._asks)

    @property
    def asks_pending(self) -> int:
        """How many asks are out."""
        return len(self._asks)

    def incarnation_of(self, node: str) -> int | None:
        """Return the incarnation that a node has now; None if there is no link to it."""
        peer = self._peers.get(node)
        return None if peer is None else peer.incarnation

    @property
    def linked(self) -> Iterable[Peer]:
        """Who is linked now."""
        return self._peers.values()

    def listen_to_links(self, listener: Callable[[LinkEvent], None]) -> None:
        """Call `listener` with each link event from now on."""
        self._listeners.append(listener)

    def ignore_links(self, listener: Callable[[LinkEvent], None]) -> None:
        """Call `listener` no more."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    # --- the transport's events -------------------------------------------------------------------------------------

    def link_up(self, peer: Peer) -> None:
        """Take note of a link."""
        self._peers[peer.node] = peer
        self._tell("up", peer, "")

    def link_down(self, peer: Peer, reason: str) -> None:
        """Resolve the asks that were in flight: nobody can know what became of them."""
        if self._peers.get(peer.node) == peer:
            del self._peers[peer.node]
        for ask in [ask for ask in self._asks.values() if ask.node == peer.node]:
            ask.reject(
                ConnectionLost(
                    f"{type(ask.message).__name__} to {ask.target}: the connection dropped ({reason}); it may have run"
                )
            )
        self._tell("down", peer, reason)

    def node_lost(self, peer: Peer, reason: str) -> None:
        """Tell that a node's life is over as far as we can know."""
        self._tell("lost", peer, reason)

    def refused(self, address: object, reason: str) -> None:
        """Tell the log of a handshake that failed."""
        self.refused_handshakes.append(f"{address}: {reason}")
        del self.refused_handshakes[:-16]
        self.system.log.warning("transport.handshake_refused", address=str(address), reason=reason)

    def delivered(self, peer: Peer, lane_class: int, items: list[Any]) -> None:
        """Hand each row of a frame to whom it is for, and let them have their turn."""
        run_queue = self.system.run_queue
        is_held = run_queue.hold()
        try:
            for row in items:
                try:
                    self._dispatch(peer, row)
                except BadMessage as error:
                    self.system.dead_letters.add(Reason.BAD_MESSAGE, f"from {peer.node}", row, str(error))
        finally:
            if is_held:
                run_queue.release()

    def _dispatch(self, peer: Peer, row: Any) -> None:
        """Tell the kinds of rows apart. By exact types, not by patterns: those take five times as long."""
        kind = row[0] if type(row) is tuple and row else None
        expected = _ROWS.get(kind) if type(kind) is int else None
        if expected is None or len(row) != len(expected) or not all(map(_fits, row, expected)):
            raise BadMessage(f"not a row of the wire: {row!r:.80}")
        if kind == ASK:
            self._deliver_ask(peer, *row[1:])
        elif kind == REPLY:
            self._deliver_reply(peer, row[1], row[2])
        elif kind == TELL:
            self._deliver_tell(peer, *row[1:])
        else:
            self._deliver_error(peer, row[1], row[2], row[3])

    def _deliver_tell(self, peer: Peer, path: str, uid: int, name: str, fields: object) -> None:
        described = self._described(name)
        message = _decoded(described, fields, self.system)
        target = self._target(peer, path, uid, described)
        if isinstance(target, AskError):
            self.system.dead_letters.add(_reason(target), path, message, str(target))
        else:
            target.tell(message)

    def _deliver_ask(
        self, peer: Peer, ask_id: int, path: str, uid: int, name: str, fields: object, left_ms: int
    ) -> None:
        try:
            described = self._described(name)
            deadline = self.system.host.clock.monotonic() + left_ms / 1000
            envelope = _IncomingAsk(self, peer.node, ask_id, described, deadline)
            envelope.message = _decoded(described, fields, self.system)
            described.reply  # noqa: B018 (a message that is no ask cannot be asked)
            cell = self._target(peer, path, uid, described)
        except (BadMessage, TypeError) as error:
            self.send_answer(peer.node, Lane.BULK, (ERROR, ask_id, _BAD_MESSAGE_CODE, _short(error)))
            raise BadMessage(str(error)) from error
        if isinstance(cell, AskError):
            envelope.reject(cell)
        else:
            cell.post(envelope, described.lane)

    def _deliver_reply(self, peer: Peer, ask_id: int, value: object) -> None:
        ask = self._ask_to(peer, ask_id)
        if ask is None:
            return  # it came too late: the asker has been told so
        try:
            ask.resolve(ask.reply.decode(value, self.system))
        except (BadMessage, RecursionError) as error:
            ask.reject(ActorFailed(f"the reply to {type(ask.message).__name__} from {peer.node!r} is bad: {error}"))
            raise BadMessage(str(error)) from error

    def _deliver_error(self, peer: Peer, ask_id: int, code: str, text: str) -> None:
        ask = self._ask_to(peer, ask_id)
        if ask is not None:
            known = _ERRORS.get(code)
            ask.reject(BadMessage(text) if code == _BAD_MESSAGE_CODE else (known or ActorFailed)(text))

    def _ask_to(self, peer: Peer, ask_id: int) -> _OutgoingAsk | None:
        """Return the ask of that number if it is still open and was made to that node."""
        ask = self._asks.get(ask_id)
        return ask if ask is not None and ask.node == peer.node else None

    def _described(self, name: str) -> MessageType:
        described = self.system.message_types.get(name)
        if described is None:
            raise BadMessage(f"unknown message type {name!r}: no actor of {self.system.node!r} declares it")
        return described

    def _target(self, peer: Peer, path: str, uid: int, described: MessageType) -> Cell | AskError:
        """Find the cell that a row is for, or say why it may not be reached.

        BadMessage if that actor takes no such message: what comes from outside must not make it fail.
        """
        cell = self.system.cell_at(path)
        if cell is None:
            return ActorNotFound(f"no actor at {path!r} on node {self.system.node!r}")
        if peer.role is Role.CLIENT and not cell.plan.exported:
            return NotExported(f"actor {path!r} on node {self.system.node!r} is not exported: clients cannot reach it")
        if uid not in (0, cell.ref.uid):
            return ActorStopped(f"actor {path!r} on node {self.system.node!r} has stopped; another lives there now")
        if not cell.kind.takes(described):
            raise BadMessage(f"actor {path!r} on node {self.system.node!r} does not take {described.name!r}")
        return cell

    def _tell(self, kind: str, peer: Peer, reason: str) -> None:
        event = LinkEvent(kind, peer.node, peer.incarnation, peer.role, reason)
        self.system.log.info("link.changed", kind=kind, peer=peer.node, reason=reason)
        for listener in list(self._listeners):
            listener(event)


def _fits(value: object, expected: type) -> bool:
    return type(value) is expected or expected is object


def _encoded(described: MessageType, item: object) -> Sequence[object]:
    try:
        return described.encode(item)
    except RecursionError as error:
        raise BadMessage(f"message {described.name!r} is nested too deeply to cross the wire") from error


def _decoded(described: MessageType, fields: object, system: System) -> object:
    try:
        return described.decode(fields, system)
    except RecursionError as error:
        raise BadMessage(f"message {described.name!r} is nested too deeply") from error


def _short(error: BaseException) -> str:
    """Return the text of an error as it crosses the wire: it must fit in a frame whatever a handler put in it."""
    text = str(error).encode("utf-8", "replace").decode()
    return text if len(text) <= _ERROR_CHARS_MAX else text[:_ERROR_CHARS_MAX] + "…"


def _reason(error: CoterieError) -> Reason:
    """Return under which reason a message that failed with `error` is counted."""
    by_type: tuple[tuple[type[CoterieError], Reason], ...] = (
        (NodeUnreachable, Reason.UNREACHABLE),
        (OutboundFull, Reason.OUTBOUND_FULL),
        (ActorNotFound, Reason.NOT_FOUND),
        (NotExported, Reason.NOT_EXPORTED),
        (ActorStopped, Reason.STOPPED),
    )
    return next((reason for cls, reason in by_type if isinstance(error, cls)), Reason.BAD_MESSAGE)
