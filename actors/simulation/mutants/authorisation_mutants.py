"""Authorisation mutants: define bugs in who is heard, and in what is decoded, kept and shown of what a peer sends."""

from __future__ import annotations

from typing import Any

from coterie.actors.simulation.scenarios.hostile_runs import bombs, kept_letters, logged_texts, unheard_messages
from coterie.actors.simulation.scenarios.rights_runs import implausible_terms, names_and_keys, refs_of_others
from coterie.protocols.faults.kinds.fault_kinds import Level
from coterie.protocols.raft import raft
from coterie.protocols.simulation.mutants import DirectedTrial, Mutant, Patch
from coterie.runtime.messages import unpacking
from coterie.runtime.messages.speakers import Speaker
from coterie.runtime.observing import loggers
from coterie.runtime.observing.dead_letters import DeadLetter, Reason
from coterie.runtime.refs import Ref
from coterie.runtime.remote import interned_routes, wired_refs
from coterie.runtime.remote.interned_routes import IncomingRoute
from coterie.runtime.remote.wired_refs import WiredRefs
from coterie.runtime.transport.handshake import handshake
from coterie.runtime.transport.handshake.identity import Peer, PeerRole
from coterie.runtime.transport.handshake.shared_key import SharedKey, keys_of_nodes
from coterie.runtime.transport.peers import Peers

__all__ = ["AUTHORISATION_MUTANTS"]


def _is_heard_from_all(speaker: Speaker, peer: Peer, operators: tuple[str, ...]) -> bool:
    return True


def _is_heard_from_nodes(speaker: Speaker, peer: Peer, operators: tuple[str, ...]) -> bool:
    return speaker is Speaker.CLIENT if peer.role is PeerRole.CLIENT else True


def _believe_the_name(message: Any, peer: Peer) -> None:
    return None


_tell = IncomingRoute.tell


def _tell_and_keep(self: IncomingRoute, row: Any) -> None:
    self._system.dead_letters.latest.append(DeadLetter(Reason.NOT_FOUND, self.path, str(row)))
    _tell(self, row)


def _any_number_of_parts(size_bytes: int) -> int:
    return 10**9


def _as_it_is(text: str, chars_max: int | None = None, *, keep: str = "") -> str:
    return text


_make_ref = WiredRefs.ref


def _ref_without_rights(
    self: WiredRefs, node: str, incarnation: int, path: str, uid: int, *, as_client: bool = False
) -> Ref[Any]:
    self._is_client = False
    return _make_ref(self, node, incarnation, path, uid)


def _accept_all(cell: Any, item: object, *, as_client: bool) -> None:
    return None


def _believe_any_jump(own: int, heard: int) -> bool:
    return True


def _reserve_nothing(self: Peers, name: str) -> bool:
    return False


def _accept_all_keys(auth: SharedKey, peer: Peer) -> tuple[bytes, ...]:
    return (*keys_of_nodes(auth), *(client.key for client in auth.clients))


REFS = DirectedTrial("refs of others", Level.SYSTEM, refs_of_others)
NAMES = DirectedTrial("names and keys", Level.SYSTEM, names_and_keys)

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
        "authorisation: budget ignored",
        DirectedTrial("bombs", Level.SYSTEM, bombs),
        (Patch(unpacking, "parts_max", _any_number_of_parts),),
    ),
    Mutant(
        "text unescaped",
        DirectedTrial("logged texts", Level.SYSTEM, logged_texts),
        (Patch(loggers, "printable", _as_it_is),),
    ),
    Mutant("authorisation: ref without rights", REFS, (Patch(WiredRefs, "ref", _ref_without_rights),)),
    Mutant("authorisation: type unchecked for wired refs", REFS, (Patch(wired_refs, "_refusal", _accept_all),)),
    Mutant("authorisation: reserved name taken", NAMES, (Patch(Peers, "_is_name_of_node", _reserve_nothing),)),
    Mutant("authorisation: client key as node", NAMES, (Patch(handshake, "accepted_keys", _accept_all_keys),)),
    Mutant(
        "authorisation: term without cap",
        DirectedTrial("implausible terms", Level.SYSTEM, implausible_terms),
        (Patch(raft, "is_plausible_jump", _believe_any_jump),),
    ),
)
"""Each is killed by a directed run."""
