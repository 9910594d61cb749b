"""Session mutants: define two bugs: a command is executed twice, or executed after its session was evicted."""

# ruff: noqa: SLF001 - mutants replace private methods

from __future__ import annotations

from coterie.protocols.faults.kinds.fault_kinds import Level
from coterie.protocols.replicated_log import LogIndex
from coterie.protocols.sessions import Deduplication, Done, Reply
from coterie.protocols.sessions.session_commands import SessionCommand
from coterie.protocols.simulation.directed.session_eviction import evicted_session
from coterie.protocols.simulation.mutants.mutation_testing import DirectedTrial, Mutant, Patch, ScenarioTrial
from coterie.protocols.simulation.scenarios.protocol_scenarios import SCENARIOS

__all__ = ["SESSION_MUTANTS"]

_apply_in_session = Deduplication._apply_in_session


def _execute_again(self: Deduplication, index: LogIndex, command: SessionCommand) -> Reply:
    session = self._session_by_id.get(command.session)
    if session is not None:
        session.reply_by_sequence.pop(command.sequence, None)
    return _apply_in_session(self, index, command)


def _execute_without_session(self: Deduplication, index: LogIndex, command: SessionCommand) -> Reply:
    if command.session not in self._session_by_id:
        return Done(self._machine.apply(index, command.payload))
    return _apply_in_session(self, index, command)


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
)
"""The first is killed under the profile `everything`."""
