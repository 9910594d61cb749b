"""`ProposalCheck`: keeps commands out of the log that the group's schema does not have (yet), on the leader.

A batch is one entry, and is answered as a whole. The commands that are not active are left out of it, and the answer
gets their refusals in the right places: every client learns about its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from coterie.actors.groups.evolution.group_schemas import GroupSchemas
from coterie.actors.groups.evolution.recorded_commands import NOT_A_COMMAND, TOO_MANY_PARTS
from coterie.protocols.sessions import NotActive, is_batch, machine_commands, with_refusals, without_commands

__all__ = ["Checked", "ProposalCheck"]


@dataclass(frozen=True, slots=True)
class Checked:
    """A command or batch that was checked. `command`: what may be proposed; None: nothing of it.

    `refusals`: the rest, by position.
    """

    command: bytes | None
    refusals: dict[int, NotActive]
    is_batch: bool

    def answer(self, answer: bytes | None) -> bytes:
        """Return the answer to the whole, given the encoded answer to `command` (None: there was none to give)."""
        return with_refusals(answer, self.refusals, is_batch=self.is_batch)


class ProposalCheck:
    """The check of one replica, which counts while it leads.

    Args:
        schemas: what the log has, and what this code is.
        waiting_for: returns in words why the code's schema is not active yet.
        why_lacking: returns in words what to do about a command that this code does not have.
    """

    def __init__(self, schemas: GroupSchemas, waiting_for: Callable[[], str], why_lacking: Callable[[], str]) -> None:
        self._schemas = schemas
        self._why_lacking = why_lacking
        self._waiting_for = waiting_for

    @property
    def is_ready(self) -> bool:
        """Whether anything may be proposed: not before the log has a schema that this code can follow."""
        return self._schemas.code is None or self._schemas.proposable is not None

    def check(self, command: bytes) -> Checked | None:
        """Return what is left of an encoded command or batch; None: all of it may be proposed, as is usual."""
        proposable = self._schemas.proposable
        if proposable is None:
            return None
        places, refusals = machine_commands(command), {}
        for at in proposable.unusual(command, places):
            start, end = places[at]
            if end and (text := proposable.refusal(command[start:end])):
                refusals[at] = NotActive(self._explained(text, command[start:end]))
        return Checked(without_commands(command, refusals), refusals, is_batch(command)) if refusals else None

    def _explained(self, refusal: str, command: bytes) -> str:
        """Return a refusal with what it waits for, or with what to do if this code does not have it."""
        if refusal.startswith((NOT_A_COMMAND, TOO_MANY_PARTS)):
            return refusal
        if self._schemas.own_refusal(command) is None:
            return f"{refusal} yet: {self._waiting_for()}"
        return f"{refusal}: {self._why_lacking()}"
