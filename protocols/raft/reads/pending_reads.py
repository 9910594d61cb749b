"""`PendingReads`: keeps the reads of one node until its state machine may answer them (dissertation §6.4).

Any member may answer: it asks the leader which index its state must have, and waits until it has applied that. Reads
that come while it asks wait for the next question. A read that cannot be answered is rejected: it has had no effect.

A question has a number that no question of an earlier life has, whose answer may still be on its way.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft.applier import Applier
from coterie.protocols.raft.raft_config import RaftConfig
from coterie.protocols.raft.raft_messages import ReadIndex, ReadIndexReply
from coterie.protocols.raft.reads.read_rounds import ReadRounds
from coterie.protocols.raft.role import RoleState
from coterie.protocols.replicated_log import LogIndex, ReadReady, Refusal, Reject, Term

__all__ = ["PendingReads"]

_NUMBER_BITS: Final = 62


@dataclass(slots=True)
class _Question:
    """The reads for which the leader of `term` was asked, last at `sent_s`."""

    number: int
    term: Term
    leader: NodeId
    refs: list[int]
    sent_s: float


class PendingReads:
    """The reads of one life of a node.

    Args:
        role_state: of this node: who leads.
        applier: how far its state machine is.
        config: of the group; so many reads may wait as proposals may.
        rng: draws the first number.
    """

    __slots__ = (
        "_applier",
        "_config",
        "_count",
        "_held",
        "_is_stopped",
        "_number",
        "_question",
        "_rng",
        "_role_state",
        "_rounds",
        "_waiting",
    )

    def __init__(self, role_state: RoleState, applier: Applier, config: RaftConfig, rng: random.Random) -> None:
        self._role_state = role_state
        self._applier = applier
        self._config = config
        self._rng = rng
        self._rounds: ReadRounds | None = None
        self._waiting: list[int] = []
        self._question: _Question | None = None
        self._held: list[tuple[LogIndex, list[int]]] = []
        self._number: int | None = None
        self._count = 0
        self._is_stopped = False

    def add(self, ref: int) -> None:
        """Take a read; `advance` sees to it."""
        if self._is_stopped:
            self._reject([ref], Refusal.NOT_LEADER)
        elif self._count >= self._config.max_uncommitted_entries:
            self._reject([ref], Refusal.OVERLOADED)
        else:
            self._count += 1
            self._waiting.append(ref)

    def stop(self) -> None:
        """Reject all reads, those to come, too: the state machine must not be used."""
        self._is_stopped = True
        self._lose_all()

    def handle_read_index(self, asker: NodeId, message: ReadIndex) -> None:
        """Take a member's question, if this node leads the term that it is in; else say so."""
        state = self._role_state
        if message.term > state.term:
            state.adopt_term(message.term)
        rounds = self._present_rounds()
        if rounds is None or message.term < state.term:
            self._send(asker, ReadIndexReply(state.term, message.number))
        else:
            rounds.add(asker, message.number)

    def handle_read_index_reply(self, sender: NodeId, reply: ReadIndexReply) -> None:
        """Take an answer; one that is late changes nothing."""
        state, question = self._role_state, self._question
        if reply.term > state.term:
            state.adopt_term(reply.term)
        elif question is not None and reply.number == question.number and sender == question.leader:
            if reply.index is None:
                self._drop_question()
            else:
                self._answered(reply.index)

    def leader_spoke(self) -> None:
        """Ask again if there was no answer for longer than a heartbeat: a message may have been lost."""
        question, state = self._question, self._role_state
        if question is None or not self._is_current(question):
            return  # `advance` drops it
        if state.now - question.sent_s > self._config.heartbeat_interval_s:
            self._ask(question)

    def advance(self) -> None:
        """Ask the leader, or confirm as the leader; release what may be answered."""
        question = self._question
        if question is not None and not self._is_current(question):
            self._drop_question()
        if (self._held or self._waiting) and not self._is_of_the_group():
            self._lose_all()
        while self._waiting or self._rounds is not None:
            if self._waiting and self._question is None:
                self._begin_question()
            if not self._confirm():
                break
        if self._held:
            self._release()

    def _confirm(self) -> bool:
        """As the leader, take what a quorum has confirmed; return whether that was anything."""
        rounds, state = self._present_rounds(), self._role_state
        confirmed = [] if rounds is None else rounds.advance(state.now)
        for asker, number, index in confirmed:
            if asker != state.node_id:
                self._send(asker, ReadIndexReply(state.term, number, index))
            elif self._question is not None and number == self._question.number:
                self._answered(index)
        return bool(confirmed)

    # Inside.

    def _is_current(self, question: _Question) -> bool:
        """Return whether the leader that was asked still leads, as far as this node knows."""
        return (question.term, question.leader) == (self._role_state.term, self._role_state.leader)

    def _present_rounds(self) -> ReadRounds | None:
        """Return the rounds of this node's leadership; None if it does not lead."""
        leadership = self._role_state.leadership
        if leadership is None:
            self._rounds = None
        elif self._rounds is None or not self._rounds.is_of(leadership):
            self._rounds = ReadRounds(leadership, self._role_state.log)
        return self._rounds

    def _begin_question(self) -> None:
        state = self._role_state
        refs, self._waiting = self._waiting, []
        if state.leader is None:
            self._lose(refs)
            return
        number = self._rng.getrandbits(_NUMBER_BITS) if self._number is None else self._number + 1
        self._number = number
        self._question = _Question(number, state.term, state.leader, refs, state.now)
        self._ask(self._question)

    def _ask(self, question: _Question) -> None:
        question.sent_s = self._role_state.now
        rounds = self._present_rounds()
        if rounds is not None:
            rounds.add(self._role_state.node_id, question.number)
        else:
            self._send(question.leader, ReadIndex(question.term, question.number))

    def _answered(self, index: LogIndex) -> None:
        question, self._question = self._question, None
        if question is not None:
            self._held.append((index, question.refs))

    def _release(self) -> None:
        """Let reads be answered whose index has been applied."""
        applied = self._applier.applied_index
        ready = [ref for index, refs in self._held if index <= applied for ref in refs]
        if ready:
            self._held = [held for held in self._held if held[0] > applied]
            self._count -= len(ready)
            self._role_state.outbox.add(ReadReady(tuple(ready)))

    def _is_of_the_group(self) -> bool:
        """Return whether this node will get the entries that its reads wait for: a removed node does not."""
        return self._role_state.electorate.is_member or self._role_state.leadership is not None

    def _lose_all(self) -> None:
        self._drop_question()
        for _, refs in self._held:
            self._lose(refs)
        self._held = []
        self._lose(self._waiting)
        self._waiting = []

    def _drop_question(self) -> None:
        question, self._question = self._question, None
        if question is not None:
            self._lose(question.refs)

    def _lose(self, refs: list[int]) -> None:
        self._count -= len(refs)
        self._reject(refs, Refusal.NOT_LEADER)

    def _reject(self, refs: list[int], reason: Refusal) -> None:
        for ref in refs:
            self._role_state.outbox.add(Reject(ref, reason, self._role_state.leader))

    def _send(self, to: NodeId, message: ReadIndex | ReadIndexReply) -> None:
        self._role_state.outbox.send(to, message, self._role_state.durability.after_hard_state())
