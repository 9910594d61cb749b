"""`MachineTurns`: lets the state machine of a replica apply entries and answer reads, in slices.

A long backlog comes in many chunks, and reads may have long replies: between two slices the loop reads heartbeats.

When a chunk is applied:

* at once, if it is small and its visit has submitted no write: a lone command is answered in the visit that commits it;
* with the next visit, mostly that of the completed write, if its visit has submitted a write and nobody here waits for
  the chunk: so a follower's disk thread need not wait for the interpreter, and its acknowledgement leaves first;
* else in a visit of its own, in the next iteration of the loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

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

if TYPE_CHECKING:
    import asyncio

__all__ = ["MachineTurns"]

AT_ONCE_ENTRIES: Final = 32
"""The most entries that are applied at once."""

AT_ONCE_BYTES: Final = 8 * 1024
"""The most bytes of their commands. A command that stands for a batch of clients' is mostly larger."""

WRITE_WAIT_S: Final = 0.005
"""How long a chunk waits for the write that came with it: then the disk stalls, and the state goes on without it."""


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
        writes: returns how many writes this replica has submitted.
        needs_disk: whether the protocol waits for a completed write.
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
        writes: Callable[[], int],
        needs_disk: Callable[[], bool],
    ) -> None:
        self._context = context
        self._replica = replica
        self._proposals = proposals
        self._failures = failures
        self._feed = feed
        self._is_quarantined = is_quarantined
        self._quarantine = quarantine
        self._on_applied = applied
        self._writes = writes
        self._needs_disk = needs_disk
        self._writes_before = 0  # this visit
        self._may_apply_at_once = False  # once in each visit: a backlog of small chunks is a long one
        self._to_apply: Apply | None = None  # Raft emits the next chunk when this one is applied
        self._wait: asyncio.TimerHandle | None = None
        self.reads = ReadQueue(replica.read, context.clock.monotonic)
        """What waits to be answered from the state."""
        self._is_woken = False

    def apply(self, effect: Apply) -> Applied | None:
        """Apply these entries now, and return the event of that; or later: None. See the module for when.

        Mostly not at once: between two chunks the loop must read heartbeats, and the disk thread needs the interpreter
        to start the write that came with this one.
        """
        has_written = self._writes() != self._writes_before
        if self._may_apply_at_once and not has_written and _is_small(effect):
            self._may_apply_at_once = False
            return self._apply(effect)
        if has_written and not effect.refs and not self._proposals.has_reads:
            self._to_apply = effect
            self._wait = self._context.system.loop.call_later(WRITE_WAIT_S, self._visit)
        else:
            self._apply_soon(effect)
        return None

    def awaits_disk(self) -> bool:
        """Return whether a completed write needs a visit: entries wait for one, or the protocol does."""
        return self._to_apply is not None or self._needs_disk()

    def begin(self) -> None:
        """Apply the entries that wait for a visit."""
        self._writes_before, self._may_apply_at_once = self._writes(), True
        if self._to_apply is not None:
            effect, self._to_apply = self._to_apply, None
            self._may_apply_at_once = False
            self.close()
            if (applied := self._apply(effect)) is not None:
                self._feed(applied)

    def close(self) -> None:
        """Wait for no write any more."""
        if self._wait is not None:
            self._wait.cancel()
            self._wait = None

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

    def _apply_soon(self, effect: Apply) -> None:
        self._context.system.loop.call_soon(self._visit_to_apply, effect)

    def _visit_to_apply(self, effect: Apply) -> None:
        self._to_apply = effect
        self._visit()

    def _visit(self) -> None:
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
                        self._apply_soon(replace(effect, entries=effect.entries[done:]))
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


def _is_small(effect: Apply) -> bool:
    entries = effect.entries
    return len(entries) <= AT_ONCE_ENTRIES and sum([len(entry.command) for entry in entries]) <= AT_ONCE_BYTES
