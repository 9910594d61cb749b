"""Mutants of the sessions: a command that is executed again, and one that nobody knows any more."""

# ruff: noqa: SLF001 - a mutant is surgery on private methods

from __future__ import annotations

from coterie.protocols.faults.kinds.fault_kinds import Level
from coterie.protocols.replicated_log import LogIndex
from coterie.protocols.sessions import Done, Reply, Sessions
from coterie.protocols.sessions.session_commands import SessionCommand
from coterie.protocols.simulation.directed.session_eviction import evicted_session
from coterie.protocols.simulation.mutants.mutant_hunt import Directed, Explored, Mutant, Patch
from coterie.protocols.simulation.scenarios.protocol_scenarios import SCENARIOS

__all__ = ["SESSION_MUTANTS"]

_apply_in_session = Sessions._apply_in_session


def _execute_again(self: Sessions, index: LogIndex, command: SessionCommand) -> Reply:
    session = self._session_by_id.get(command.session)
    if session is not None:
        session.reply_by_sequence.pop(command.sequence, None)
    return _apply_in_session(self, index, command)


def _execute_for_anybody(self: Sessions, index: LogIndex, command: SessionCommand) -> Reply:
    if command.session not in self._session_by_id:
        return Done(self._machine.apply(index, command.payload))
    return _apply_in_session(self, index, command)


SESSION_MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "sessions: replies not remembered",
        Explored(SCENARIOS["raft"]),
        (Patch(Sessions, "_apply_in_session", _execute_again),),
    ),
    Mutant(
        "sessions: unknown session executed",
        Directed("evicted session", Level.PROTOCOL, lambda seed: evicted_session()),
        (Patch(Sessions, "_apply_in_session", _execute_for_anybody),),
    ),
)
"""The first dies under the profile `everything`."""
