"""Authorisation mutants: define bugs in who is heard, and in what is kept and shown of what a peer has sent."""

from __future__ import annotations

from typing import Any

from coterie.actors.simulation.scenarios.hostile_runs import kept_letters, logged_texts, unheard_messages
from coterie.protocols.faults.kinds.fault_kinds import Level
from coterie.protocols.simulation.mutants import DirectedTrial, Mutant, Patch
from coterie.runtime.messages.speakers import Speaker
from coterie.runtime.observing import loggers
from coterie.runtime.observing.dead_letters import DeadLetter, Reason
from coterie.runtime.remote import interned_routes
from coterie.runtime.remote.interned_routes import IncomingRoute
from coterie.runtime.transport.handshake.identity import Peer

__all__ = ["AUTHORISATION_MUTANTS"]


def _is_heard_from_all(speaker: Speaker, *, is_client: bool) -> bool:
    return True


def _is_heard_from_nodes(speaker: Speaker, *, is_client: bool) -> bool:
    return speaker is Speaker.CLIENT if is_client else True


def _believe_the_name(message: Any, peer: Peer) -> None:
    return None


_tell = IncomingRoute.tell


def _tell_and_keep(self: IncomingRoute, row: Any) -> None:
    self._system.dead_letters.latest.append(DeadLetter(Reason.NOT_FOUND, self.path, str(row)))
    _tell(self, row)


def _as_it_is(text: str, chars_max: int | None = None, *, keep: str = "") -> str:
    return text


UNHEARD = DirectedTrial("unheard messages", Level.SYSTEM, unheard_messages)

AUTHORISATION_MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "authorisation: speakers not asked",
        UNHEARD,
        (Patch(interned_routes, "is_heard_from", _is_heard_from_all),),
    ),
    Mutant(
        "authorisation: sender is not the peer",
        UNHEARD,
        (Patch(interned_routes, "refusal_of_name", _believe_the_name),),
    ),
    Mutant(
        "authorisation: control message from outside",
        UNHEARD,
        (Patch(interned_routes, "is_heard_from", _is_heard_from_nodes),),
    ),
    Mutant(
        "authorisation: dead letter keeps the row",
        DirectedTrial("kept letters", Level.SYSTEM, kept_letters),
        (Patch(IncomingRoute, "tell", _tell_and_keep),),
    ),
    Mutant(
        "text unescaped",
        DirectedTrial("logged texts", Level.SYSTEM, logged_texts),
        (Patch(loggers, "printable", _as_it_is),),
    ),
)
"""Each is killed by a directed run."""
