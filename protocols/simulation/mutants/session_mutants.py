"""Session mutants: define bugs that execute a command twice, or open two sessions for one opening."""

# ruff: noqa: SLF001 - mutants replace private methods

from __future__ import annotations

from coterie.protocols.faults.kinds.fault_kinds import Level
from coterie.protocols.replicated_log import LogIndex
from coterie.protocols.sessions import Deduplication, Done, Opened, Reply, SessionId
from coterie.protocols.sessions.session_commands import SessionCommand
from coterie.protocols.simulation.directed.session_trials import evicted_session, late_opening, retried_opening
from coterie.protocols.simulation.mutants.mutation_testing import DirectedTrial, Mutant, Patch, ScenarioTrial
from coterie.protocols.simulation.scenarios.protocol_scenarios import SCENARIOS

__all__ = ["SESSION_MUTANTS"]

_apply_in_session, _open, _new_id = Deduplication._apply_in_session, Deduplication._open, Deduplication._new_id


def _execute_again(self: Deduplication, index: LogIndex, command: SessionCommand) -> Reply:
    session = self._session_by_id.get(command.session)
    if session is not None:
        session.reply_by_sequence.pop(command.sequence, None)
    return _apply_in_session(self, index, command)


def _execute_without_session(self: Deduplication, index: LogIndex, command: SessionCommand) -> Reply:
    if command.session not in self._session_by_id:
        return Done(self._machine.apply(index, command.payload))
    return _apply_in_session(self, index, command)


def _open_again(self: Deduplication, index: LogIndex, nonce: bytes) -> Opened:
    self._id_by_nonce.pop(nonce, None)
    return _open(self, index, nonce)


def _id_without_index(self: Deduplication, index: LogIndex, nonce: bytes) -> SessionId:
    return _new_id(self, LogIndex(0), nonce)


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
)
"""The first is killed under the profile `everything`."""
