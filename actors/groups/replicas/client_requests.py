"""`ClientRequests`: makes events of what clients ask of a replica, or answers it from what is applied here."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from coterie.actors.groups.group_messages import (
    NO_SCHEMA,
    NOT_READ,
    QUARANTINED,
    Execute,
    ReadQueries,
    ReadStale,
    Refused,
    StaleAnswer,
)
from coterie.actors.groups.replicas.client_proposals import ClientProposals
from coterie.actors.groups.replicas.read_queue import ReadQueue
from coterie.actors.groups.replicas.replica import ReadsIn, Replica
from coterie.protocols.raft.raft import Raft
from coterie.protocols.raft.role import RaftRole
from coterie.protocols.replicated_log import Propose, Read, Refusal

if TYPE_CHECKING:
    from coterie.runtime.actor import Context, Later

__all__ = ["ClientRequests"]


class ClientRequests:
    """The requests of clients in one life of a replica.

    Args:
        node: the node of this replica.
        context: of the actor.
        raft: how far it is.
        replica: what answers.
        proposals: limits what may wait, and fits answers into frames.
        reads: what waits to be answered from the state.
        why_not_stale: returns why this replica answers no stale reads; None: it does.
    """

    def __init__(
        self,
        node: str,
        context: Context,
        raft: Raft,
        replica: Replica,
        proposals: ClientProposals,
        reads: ReadQueue,
        why_not_stale: Callable[[], str | None],
    ) -> None:
        self._node = node
        self._context = context
        self._raft = raft
        self._replica = replica
        self._proposals = proposals
        self._reads = reads
        self._why_not_stale = why_not_stale

    def take(self, msg: Execute | ReadQueries) -> Propose | Read | None:
        """Return the event that puts commands into the log, or lets queries be read; None: they are answered."""
        later, is_leader = self._context.reply_later(msg), self._raft.role is RaftRole.LEADER
        reads = self._replica.reads_of(msg.command)
        if reads is ReadsIn.SOME or (reads is ReadsIn.ALL and not self._replica.is_ready):
            reason = NOT_READ if reads is ReadsIn.SOME else NO_SCHEMA if is_leader else Refusal.NOT_LEADER.value
            later.reply(Refused(reason, None if is_leader else self._raft.leader))
            return None
        ask = self._proposals.read if reads is ReadsIn.ALL else self._proposals.propose
        return ask(msg.command, later, is_leader=is_leader)

    def take_stale(self, msg: ReadStale) -> None:
        """Answer from what is applied here, unless this replica takes no part or its machine must not be used."""
        later, room = self._context.reply_later(msg), self._proposals.read_room
        if (refusal := self._refusal_of(msg.command)) is not None:
            later.reply(Refused(refusal, None))
        elif not room.enter(later.asker, msg.command):
            later.reply(Refused(Refusal.OVERLOADED.value, self._node))
        else:
            answer = partial(self._answer, later, msg.command)
            self._reads.add(later.asker, msg.command, is_awaited=lambda: later.is_awaited, answer=answer)

    def _refusal_of(self, command: bytes) -> str | None:
        if (refusal := self._why_not_stale()) is not None:
            return refusal
        if self._replica.reads_of(command) is not ReadsIn.ALL:
            return NOT_READ
        return None if self._replica.is_ready else NO_SCHEMA

    def _answer(self, later: Later[StaleAnswer | Refused], command: bytes, answer: bytes | None) -> None:
        raft, fit = self._raft, self._proposals.fit
        self._proposals.read_room.leave(later.asker, command)
        if answer is None:
            later.reply(Refused(QUARANTINED, None))
        else:
            behind, heard_s = raft.commit_index - raft.applied_index, raft.heard_s(self._context.clock.monotonic())
            later.reply(StaleAnswer(fit(later.asker, answer), raft.applied_index, behind, heard_s))
