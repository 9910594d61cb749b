"""Raft events and effects: define all inputs and all outputs of a Raft node; `Outbox` collects those of one call."""

from __future__ import annotations

from collections.abc import Sequence

from coterie.protocols.algorithm import NodeId, Observe, Persist, Persisted, Received, Send, Token
from coterie.protocols.raft.raft_messages import LogWrite, RaftMessage
from coterie.protocols.replicated_log import Applied, Apply, Load, Loaded, Propose, Reject

__all__ = ["Outbox", "RaftEffect", "RaftEvent"]

RaftEvent = Received[RaftMessage] | Propose | Persisted | Applied | Loaded
RaftEffect = Persist[LogWrite] | Send[RaftMessage] | Apply | Load | Reject | Observe


class Outbox:
    """Collects the effects of one call in order; its writes are put in front when it is emptied."""

    __slots__ = ("_effects", "_node_id")

    def __init__(self, node_id: NodeId) -> None:
        self._node_id = node_id
        self._effects: list[RaftEffect] = []

    def add(self, effect: RaftEffect) -> None:
        """Append any effect but a `Persist`: those come from `Durability`."""
        self._effects.append(effect)

    def send(self, to: NodeId, message: RaftMessage, after: Token | None) -> None:
        """Append a `Send` that may leave once the write `after` is durable."""
        self._effects.append(Send(to, message, after))

    def observe(self, event: str, **facts: object) -> None:
        """Append an `Observe` of `event`; the node is added to its facts."""
        self._effects.append(Observe(event, {"node": self._node_id, **facts}))

    def empty(self, writes: Sequence[RaftEffect]) -> list[RaftEffect]:
        """Return `writes` and then everything that was collected, and clear the collection."""
        effects = [*writes, *self._effects] if writes else self._effects
        self._effects = []
        return effects
