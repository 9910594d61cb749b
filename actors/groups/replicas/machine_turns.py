"""`MachineTurns`: lets the state machine of a replica apply entries and answer reads, in slices.

A long backlog comes in many chunks, and reads may have long replies: between two slices the loop reads heartbeats.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from coterie.actors.groups.evolution.group_schemas import CannotFollow
from coterie.actors.groups.group_messages import QUARANTINED, Unsettled
from coterie.actors.groups.replicas.apply_failures import ApplyFailures
from coterie.actors.groups.replicas.call_room import call_room
from coterie.actors.groups.replicas.client_proposals import ClientProposals
from coterie.actors.groups.replicas.read_queue import ReadQueue
from coterie.actors.groups.replicas.replica import APART, VISIT_REPLY_BYTES, Replica
from coterie.protocols.raft.raft_effects import RaftEvent, SchemaReached
from coterie.protocols.replicated_log import Applied, Apply, Entry, EntryKind, LogIndex
from coterie.runtime.actor import Context

__all__ = ["MachineTurns"]


class MachineTurns:
    """The work of the state machine in one life of a replica. Call `begin` and `end` around the flush of each visit.

    Args:
        context: of the actor.
        replica: applies and reads.
        proposals: whom to answer.
        failures: told what has been applied.
        feed: hands an event to the protocol, in this visit.
        is_quarantined: whether the machine must not be used.
        quarantine: called with the reason why it must not be used any more.
        applied: called with entries that have been applied.
    """

    def __init__(
        self,
        context: Context,
        replica: Replica,
        proposals: ClientProposals,
        failures: ApplyFailures,
        *,
        feed: Callable[[RaftEvent], None],
        is_quarantined: Callable[[], bool],
        quarantine: Callable[[str], None],
        applied: Callable[[Sequence[Entry]], None],
    ) -> None:
        self._context = context
        self._replica = replica
        self._proposals = proposals
        self._failures = failures
        self._feed = feed
        self._is_quarantined = is_quarantined
        self._quarantine = quarantine
        self._on_applied = applied
        self._to_apply: Apply | None = None  # Raft emits the next chunk when this one is applied
        self.reads = ReadQueue(replica.read, context.clock.monotonic)
        """What waits to be answered from the state."""
        self._is_woken = False

    def apply(self, effect: Apply) -> None:
        """Apply these entries in a visit of their own.

        Not at once: between two chunks the loop must read heartbeats, and the disk thread needs the interpreter to
        start the write that came with this one.
        """
        self._context.system.loop.call_soon(self._visit_to_apply, effect)

    def begin(self) -> None:
        """Apply the entries for which this visit was requested."""
        if self._to_apply is not None:
            effect, self._to_apply = self._to_apply, None
            if (applied := self._apply(effect)) is not None:
                self._feed(applied)

    def end(self) -> None:
        """Answer reads, as many as one visit may; request another one for the rest."""
        if self.reads.is_empty or self._replica.is_restoring:
            return
        if self._is_quarantined():
            self.reads.drop()
            return
        try:
            with call_room():
                self.reads.work()
        except BaseException as error:  # noqa: BLE001 (of this node: it cannot go on)
            self._context.system.fail(error)
            return
        if not self._is_woken:
            self._is_woken = True
            self._context.system.loop.call_soon(self._wake_to_read)

    def _wake_to_read(self) -> None:
        self._is_woken = False
        if not self.reads.is_empty:
            self._context.wake()

    def _visit_to_apply(self, effect: Apply) -> None:
        self._to_apply = effect
        run_queue = self._context.system.run_queue
        is_held = run_queue.hold()  # the visit takes place within this callback of the loop
        try:
            self._context.wake()
        finally:
            if is_held:
                run_queue.release()

    def _apply(self, effect: Apply) -> Applied | None:
        """Apply entries, and answer those that wait for them; None: the rest follows, or this node stops."""
        replica, refs, left_bytes = self._replica, effect.refs, VISIT_REPLY_BYTES
        applied = LogIndex(effect.entries[0].index - 1)
        try:
            with call_room():
                for entry in effect.entries:
                    if entry.kind is EntryKind.SCHEMA:
                        self._feed(SchemaReached(entry.index))
                    if self._is_quarantined():
                        break
                    reply = replica.apply(entry)
                    applied = entry.index
                    ref = refs.get(entry.index)
                    if ref is not None:
                        self._proposals.applied(ref, reply)
                    if replica.apart_at is not None:
                        self._quarantine(APART.format(index=replica.apart_at))
                    left_bytes -= len(reply or b"")
                    if left_bytes < 0 and entry is not effect.entries[-1]:
                        done = entry.index + 1 - effect.entries[0].index
                        self._on_applied(effect.entries[:done])
                        self.apply(replace(effect, entries=effect.entries[done:]))
                        return None
        except CannotFollow as error:
            self._quarantine(str(error))
        except BaseException as error:  # noqa: BLE001 (the entry does not count as applied: the next life applies it again)
            self._context.system.fail(error)
            return None
        for index, ref in refs.items():
            if index > applied:  # committed, and not applied by this node any more
                self._proposals.answer(ref, Unsettled(QUARANTINED, None))
        self._failures.applied(applied)
        if applied == effect.entries[-1].index:
            self._on_applied(effect.entries)
        return Applied(applied)
