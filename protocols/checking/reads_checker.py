"""`ReadsChecker`: checks that reads which are no entries of a log see all that anybody has been told of before.

| invariant | broken when |
| --- | --- |
| `raft.reads_linearizable` | a read lacks an entry that somebody had been told of before it was requested |
| `raft.reads_answered` | at the end a read waits, although its node is up and everything is healed |

Somebody is told of an entry by the reply to its command, and of all entries up to the one that a read has seen.
"""

from __future__ import annotations

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.violation import ViolationContext
from coterie.protocols.replicated_log import LogIndex

__all__ = ["ReadsChecker"]


class ReadsChecker:
    """Checks one group. Report each read with a number of its own, and each command that is answered."""

    def __init__(self, context: ViolationContext) -> None:
        self._context = context
        self._seen = LogIndex(0)
        self._floor_by_read: dict[NodeId, dict[int, LogIndex]] = {}
        self.answered_count = 0

    def command_answered(self, index: LogIndex) -> None:
        """Note that the caller of the command at `index` is told its reply."""
        self._seen = max(self._seen, index)

    def requested(self, node: NodeId, read: int) -> None:
        """Note that `read` is requested at `node`."""
        self._floor_by_read.setdefault(node, {})[read] = self._seen

    def answered(self, node: NodeId, read: int, applied_index: LogIndex) -> None:
        """Check a read that is answered from the state after `applied_index`."""
        floor = self._floor_by_read[node].pop(read)
        if applied_index < floor:
            text = f"read {read} sees entries up to {applied_index}, and was requested after {floor} had been seen"
            self._context.fail("raft.reads_linearizable", node, text)
        self._seen = max(self._seen, applied_index)
        self.answered_count += 1

    def rejected(self, node: NodeId, read: int) -> None:
        """Note that `read` is not answered, and that its caller is told so."""
        del self._floor_by_read[node][read]

    def is_read(self, node: NodeId, ref: int) -> bool:
        """Return whether `ref` is a read that waits at `node`."""
        return ref in self._floor_by_read.get(node, ())

    @property
    def is_idle(self) -> bool:
        """Whether no read waits."""
        return not any(self._floor_by_read.values())

    def life_ended(self, node: NodeId) -> None:
        """Note that `node` has crashed: its reads are gone."""
        self._floor_by_read.pop(node, None)

    def ended(self) -> None:
        """Check, at the end of a run that has healed, that no read waits any more."""
        for node, floors in self._floor_by_read.items():
            if floors:
                self._context.fail("raft.reads_answered", node, f"{len(floors)} reads wait at the end")
