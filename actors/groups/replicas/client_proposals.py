"""`ClientProposals`: keeps the commands of clients that one replica has proposed, and answers each exactly once."""

from __future__ import annotations

import itertools
from functools import partial
from typing import TYPE_CHECKING

from coterie.actors.groups.evolution.proposal_check import Checked
from coterie.actors.groups.evolution.schema_keeper import SchemaKeeper
from coterie.actors.groups.group_messages import NO_SCHEMA, QUARANTINED, TOO_LARGE, Answer, Refused
from coterie.actors.groups.replicas.answer_room import AnswerRoom
from coterie.actors.groups.replicas.read_queue import ReadQueue, ReadRoom
from coterie.protocols.replicated_log import Propose, Read, Refusal
from coterie.protocols.sessions import fit_reply, opening_of, opens_session
from coterie.runtime.transport.handshake.identity import owner_of

if TYPE_CHECKING:
    from coterie.runtime.actor import Later

__all__ = ["ClientProposals"]


class ClientProposals:
    """What clients wait for, for one life of a replica.

    Args:
        node: the node of this replica.
        schemas: says which commands are active.
        command_bytes_max: an entry that does not fit into a frame could never be replicated, and would block all later
            ones.
        answer_bytes_max: what fits into a frame.
        room: what may wait for the links of clients.
    """

    def __init__(
        self,
        node: str,
        schemas: SchemaKeeper,
        room: AnswerRoom,
        *,
        command_bytes_max: int,
        answer_bytes_max: int,
    ) -> None:
        self._node = node
        self._schemas = schemas
        self._room = room
        self._command_bytes_max = command_bytes_max
        self._answer_bytes_max = answer_bytes_max
        self._refs = itertools.count(1)
        self._waiting: dict[int, Later[Answer]] = {}  # by Propose.ref
        self._reads: dict[int, bytes] = {}  # the commands of those of them that are read
        self.read_room = ReadRoom()
        self._checked: dict[int, Checked] = {}  # the same, of batches of which something was left out

    @property
    def has_reads(self) -> bool:
        """Whether queries wait here: for the leader's index, for entries to be applied, or for their turn."""
        return bool(self._reads)

    def next_ref(self) -> int:
        """Return a number for a proposal of this life."""
        return next(self._refs)

    def propose(self, command: bytes, later: Later[Answer], *, is_leader: bool) -> Propose | None:
        """Return the proposal of an encoded command or batch; None: it is answered already.

        A session belongs to the asker of its opening: to the name to which a client's key or certificate is issued.
        """
        if opens_session(command):
            command = opening_of(owner_of(later.asker or self._node).encode(), command)
        admitted = self._admit(command, later, is_leader=is_leader)
        return None if admitted is None else Propose(*admitted)

    def read(self, command: bytes, later: Later[Answer], *, is_leader: bool) -> Read | None:
        """Return the event of an encoded query, or batch of queries, to be read; None: it is answered already."""
        admitted = self._admit(command, later, is_leader=is_leader)
        if admitted is None:
            return None
        ref, command = admitted
        if not self.read_room.enter(later.asker, command):
            self.answer(ref, Refused(Refusal.OVERLOADED.value, self._node))
            return None
        self._reads[ref] = command
        return Read(ref)

    def ready(self, ref: int, queue: ReadQueue) -> None:
        """Let a read that may be answered now wait for its turn."""
        later = self._waiting.get(ref)
        if later is not None:
            answer = partial(self._answer_read, ref)
            queue.add(later.asker, self._reads[ref], is_awaited=lambda: later.is_awaited, answer=answer)

    def _answer_read(self, ref: int, reply: bytes | None) -> None:
        if reply is None:
            self.answer(ref, Refused(QUARANTINED, None))
        else:
            self.applied(ref, reply)

    def _admit(self, command: bytes, later: Later[Answer], *, is_leader: bool) -> tuple[int, bytes] | None:
        """Return the reference of a command and what is left of it; None: it is answered already."""
        if len(command) > self._command_bytes_max:
            later.reply(Refused(TOO_LARGE, None, self._command_bytes_max))
            return None
        if is_leader and not self._schemas.is_ready:
            later.reply(Refused(NO_SCHEMA, None))
            return None
        if is_leader and self._room.is_used_up(later.asker):
            later.reply(Refused(Refusal.OVERLOADED.value, self._node))
            return None
        ref, checked = next(self._refs), self._schemas.check(command) if is_leader else None
        if checked is not None:
            if checked.command is None:
                later.reply(checked.answer(None))
                return None
            self._checked[ref], command = checked, checked.command
        self._waiting[ref] = later
        return ref, command

    def applied(self, ref: int, reply: bytes | None) -> None:
        """Answer the caller of an entry or read; `reply` is that of the session layer, if the entry has one."""
        if reply is None:
            self._schemas.recorded(ref)
            return
        checked = self._checked.pop(ref, None)
        answer = reply if checked is None else checked.answer(reply)
        later = self._waiting.get(ref)
        self.answer(ref, answer if later is None else self.fit(later.asker, answer))

    def fit(self, asker: str | None, answer: bytes) -> bytes:
        """Return an answer to `asker` with markers in place of the replies for which there is no room."""
        return fit_reply(answer, self._answer_bytes_max, self._room.bytes_for(asker, len(answer)))

    def answer(self, ref: int, answer: Answer) -> None:
        """Answer the caller of a proposal, if it is not one of this node's own."""
        self._checked.pop(ref, None)
        later = self._waiting.pop(ref, None)
        if later is not None and (read := self._reads.pop(ref, None)) is not None:
            self.read_room.leave(later.asker, read)
        if later is not None:
            later.reply(answer)
        elif not isinstance(answer, bytes):
            self._schemas.rejected(ref, is_certain=isinstance(answer, Refused))

    def answer_all(self, answer: Answer) -> None:
        """Answer everything that waits."""
        for ref in list(self._waiting):
            self.answer(ref, answer)
