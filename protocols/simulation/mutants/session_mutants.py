"""Session mutants: define bugs that execute a command twice, open too many sessions, keep too much, or forget."""

# ruff: noqa: SLF001 - mutants replace private methods

from __future__ import annotations

from coterie.protocols.faults.kinds.fault_kinds import Level
from coterie.protocols.replicated_log import LogIndex
from coterie.protocols.sessions import Deduplication, Done, Opened, Reply, SessionId
from coterie.protocols.sessions.kept_sessions import FrozenSession, KeptSession, KeptSessions, Weight
from coterie.protocols.sessions.session_commands import OpenSession, SessionCommand
from coterie.protocols.simulation.directed.session_trials import (
    crowding_owner,
    evicted_session,
    full_session,
    greedy_owner,
    late_opening,
    restored_order,
    restored_session,
    retried_opening,
)
from coterie.protocols.simulation.mutants.mutation_testing import DirectedTrial, Mutant, Patch, ScenarioTrial
from coterie.protocols.simulation.scenarios.protocol_scenarios import SCENARIOS

__all__ = ["SESSION_MUTANTS"]

_apply_in_session, _open, _new_id = Deduplication._apply_in_session, Deduplication._open, Deduplication._new_id
_has_room, _evict, _keep = Deduplication._has_room, KeptSessions.evict, KeptSession.keep
_freeze = KeptSessions.freeze


def _execute_again(self: Deduplication, index: LogIndex, command: SessionCommand) -> Reply:
    session = self._sessions.by_id.get(command.session)
    if session is not None:
        session.reply_by_sequence.pop(command.sequence, None)
    return _apply_in_session(self, index, command)


def _execute_without_session(self: Deduplication, index: LogIndex, command: SessionCommand) -> Reply:
    if command.session not in self._sessions.by_id:
        return Done(self._machine.apply(index, command.payload))
    return _apply_in_session(self, index, command)


def _open_again(self: Deduplication, index: LogIndex, opening: OpenSession) -> Opened:
    self._sessions.id_by_nonce.pop(opening.nonce, None)
    return _open(self, index, opening)


def _id_without_index(self: Deduplication, index: LogIndex, nonce: bytes) -> SessionId:
    return _new_id(self, LogIndex(0), nonce)


def _evict_used_longest_ago(self: KeptSessions, weight: Weight, excess_bytes: int = 0) -> int:
    return _evict(self, lambda sessions: (0,), excess_bytes)


def _keep_uncounted(self: KeptSession, sequence: int, reply: bytes) -> int:
    return 0 * _keep(self, sequence, reply)


def _has_room_only_if_free(self: Deduplication, session: KeptSession, sequence: int) -> bool:
    return _has_room(self, session, 0)


def _freeze_nothing(self: KeptSessions) -> list[FrozenSession]:
    return []


def _freeze_by_id(self: KeptSessions) -> list[FrozenSession]:
    """The sessions of each owner together, but in the order in which they were opened."""
    opened = list(self.by_id)
    owners = list(dict.fromkeys(session.opening.owner for session in self.by_id.values()))
    return sorted(_freeze(self), key=lambda one: (owners.index(one.opening.owner), opened.index(one.number)))


SESSION_MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "sessions: replies not remembered",
        ScenarioTrial(SCENARIOS["raft"]),
        (Patch(Deduplication, "_apply_in_session", _execute_again),),
    ),
    Mutant(
        "sessions: unknown session executed",
        DirectedTrial("evicted session", Level.PROTOCOL, lambda seed: evicted_session()),
        (Patch(Deduplication, "_apply_in_session", _execute_without_session),),
    ),
    Mutant(
        "sessions: a retried opening opens twice",
        DirectedTrial("retried opening", Level.PROTOCOL, lambda seed: retried_opening()),
        (Patch(Deduplication, "_open", _open_again),),
    ),
    Mutant(
        "sessions: an id does not depend on the index of its opening",
        DirectedTrial("late opening", Level.PROTOCOL, lambda seed: late_opening()),
        (Patch(Deduplication, "_new_id", _id_without_index),),
    ),
    Mutant(
        "sessions: one owner's sessions end those of another",
        DirectedTrial("crowding owner", Level.PROTOCOL, lambda seed: crowding_owner()),
        (Patch(KeptSessions, "evict", _evict_used_longest_ago),),
    ),
    Mutant(
        "sessions: kept replies are not counted",
        DirectedTrial("greedy owner", Level.PROTOCOL, lambda seed: greedy_owner()),
        (Patch(KeptSession, "keep", _keep_uncounted),),
    ),
    Mutant(
        "sessions: a full session does not advance",
        DirectedTrial("full session", Level.PROTOCOL, lambda seed: full_session()),
        (Patch(Deduplication, "_has_room", _has_room_only_if_free),),
    ),
    Mutant(
        "sessions: left out of a snapshot",
        DirectedTrial("restored session", Level.PROTOCOL, lambda seed: restored_session()),
        (Patch(KeptSessions, "freeze", _freeze_nothing),),
    ),
    Mutant(
        "sessions: the order of eviction is lost in a snapshot",
        DirectedTrial("restored order", Level.PROTOCOL, lambda seed: restored_order()),
        (Patch(KeptSessions, "freeze", _freeze_by_id),),
    ),
)
"""The first is killed under the profile `everything`."""
