"""`SessionsChecker`: checks exactly-once execution: compares clients' replies with what each state machine executed.

| invariant | broken when |
| --- | --- |
| `sessions.executed_twice` | one life of one node executes a command twice |
| `sessions.opened_twice` | an opening that is repeated while its session is open opens another one |
| `sessions.answer_differs` | two executions of one command, or its answers, disagree |
| `sessions.real_time_order` | a command takes effect before one that was answered before it was first submitted |
| `sessions.acknowledged_lost` | at the end, a node has not executed a command that was answered |
"""

from __future__ import annotations

from collections.abc import Collection

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.violation import ViolationContext
from coterie.protocols.replicated_log import LogIndex
from coterie.protocols.sessions import BatchReply

__all__ = ["SessionsChecker"]


class SessionsChecker:
    """Checks commands by their payloads, which must be unique: one payload, one intended effect."""

    def __init__(self, context: ViolationContext) -> None:
        self._context = context
        self._executed: dict[NodeId, dict[bytes, LogIndex]] = {}
        self._place: dict[bytes, LogIndex] = {}
        self._floor: dict[bytes, LogIndex] = {}
        self._acknowledged: dict[bytes, LogIndex] = {}
        self._latest_acknowledged = LogIndex(0)

    @property
    def acknowledged(self) -> int:
        """How many commands were answered."""
        return len(self._acknowledged)

    def acknowledged_payloads(self) -> Collection[bytes]:
        """Return the commands that were answered, in the order of their answers."""
        return self._acknowledged.keys()

    def executed_by(self, node: NodeId) -> Collection[bytes]:
        """Return the commands that the current life of `node` has executed, in order."""
        return self._executed[node].keys()

    def started(self, node: NodeId) -> None:
        """Note that a new life of `node` begins: it will execute its whole log again."""
        self._executed[node] = {}

    def taken(self, node: NodeId) -> dict[bytes, LogIndex]:
        """Return what the life of `node` has executed: it is in a snapshot that is taken now."""
        return dict(self._executed[node])

    def restored(self, node: NodeId, executed: dict[bytes, LogIndex]) -> None:
        """Note that the state machine of `node` begins from a snapshot in which `executed` was, as `taken` gave it."""
        self._executed[node] = dict(executed)

    def executed(self, node: NodeId, index: LogIndex, payload: bytes) -> None:
        """Check that the state machine of `node` itself (below the sessions) may execute `payload` at `index`."""
        done = self._executed[node]
        if payload in done:
            self._context.fail("sessions.executed_twice", node, f"{payload!r} at {done[payload]} and again at {index}")
        done[payload] = index
        if self._place.setdefault(payload, index) != index:
            detail = f"{payload!r} took effect at {index} here and at {self._place[payload]} elsewhere"
            self._context.fail("sessions.answer_differs", node, detail)

    def submitted(self, payload: bytes) -> None:
        """Note that a client submits `payload` for the first time."""
        self._floor.setdefault(payload, self._latest_acknowledged)

    def answered(self, payload: bytes, index: LogIndex) -> None:
        """Check an answer to a client: `payload` took effect at `index`."""
        if self._place.get(payload) != index:
            detail = f"{payload!r} was answered with {index}, it took effect at {self._place.get(payload)}"
            self._context.fail("sessions.answer_differs", None, detail)
        if index <= self._floor.get(payload, 0):
            detail = (
                f"{payload!r} took effect at {index}, but {self._floor[payload]} was answered before it was submitted"
            )
            self._context.fail("sessions.real_time_order", None, detail)
        self._acknowledged[payload] = index
        self._latest_acknowledged = max(self._latest_acknowledged, index)

    def refused(self, payload: bytes, reply: BatchReply) -> None:
        """Report a violation: an open command of a live session was answered by an error."""
        self._context.fail(
            "sessions.answer_differs", None, f"{payload!r}, not answered before, was answered by {reply}"
        )

    def ended(self, nodes: Collection[NodeId] | None = None) -> None:
        """Check the end of a run: each of `nodes` (None: all nodes) has executed every answered command."""
        for node, done in self._executed.items():
            if nodes is not None and node not in nodes:
                continue
            for payload, index in self._acknowledged.items():
                if payload not in done:
                    detail = f"{payload!r} was answered with {index}, but never took effect here"
                    self._context.fail("sessions.acknowledged_lost", node, detail)
