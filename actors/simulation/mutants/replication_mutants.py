"""Mutants of what lies between an algorithm and its node: the driver, the peers' stores, the clients' retries."""

# ruff: noqa: SLF001 - a mutant is surgery on private methods

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Collection
from typing import Any

from coterie.actors.driver import Driver
from coterie.actors.groups.leader_router import Router
from coterie.actors.peer_stores import KnownStores
from coterie.actors.simulation.scenarios.directed_runs import another_store, unheard_store
from coterie.actors.simulation.scenarios.raft_kv import RAFT_KV
from coterie.actors.voter_registration import Registration
from coterie.actors.wire_names import RaftLetter, SynodLetter
from coterie.protocols.algorithm import NodeId, Received, Token
from coterie.protocols.durability_gate import Gate
from coterie.protocols.faults.kinds.fault_kinds import Level
from coterie.protocols.sessions.session_commands import SessionCommand, decode_command, plain
from coterie.protocols.simulation.mutants import Directed, Explored, Mutant, Patch
from coterie.runtime.storage.log_store import GroupState
from coterie.runtime.system import System

__all__ = ["REPLICATION_MUTANTS"]

_attempt = Router._attempt


def _attempt_without_session(self: Router, command: bytes, left_s: float) -> asyncio.Future[Any]:
    sent_before: dict[bytes, None] = vars(self).setdefault("sent_before", {})
    if command in sent_before and isinstance(decoded := decode_command(command), SessionCommand):
        return _attempt(self, plain(decoded.payload), left_s)
    sent_before[command] = None
    return _attempt(self, command, left_s)


def _believe_any_store(
    self: KnownStores, letter: RaftLetter | SynodLetter, members: Collection[str], driver: Driver[Any, Any]
) -> bool:
    driver.feed(Received(NodeId(letter.sender), letter.body))
    return True


def _take_part_at_once(self: Registration, state: GroupState) -> None:
    self._enter()


LATE_S = 0.02

_present: weakref.WeakKeyDictionary[System, dict[str, Driver[Any, Any]]] = weakref.WeakKeyDictionary()
_new_driver, _persisted = Driver.__init__, Driver._persisted


def _new_driver_at_its_place(self: Driver[Any, Any], algorithm: Any, context: Any, duties: Any) -> None:
    _new_driver(self, algorithm, context, duties)
    _present.setdefault(context.system, {})[context.self_ref.path] = self


def _persisted_for_whoever_lives(self: Driver[Any, Any], token: Token) -> None:
    context = self._context

    def answer() -> None:
        _persisted(_present[context.system][context.self_ref.path], token)

    context.system.loop.call_later(LATE_S, answer)


def _release_all_up_to(self: Gate[Any], token: Token) -> list[Any]:
    self._durable = max(self._durable, token)
    released = [send for after, send in self._held if after <= token]
    self._held = [(after, send) for after, send in self._held if after > token]
    return released


SMALL = Explored(RAFT_KV, nodes=3, operations=400)

REPLICATION_MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        # As if answers of the disk queued in the mailbox, which survives a restart.
        "driver: tokens of an earlier life accepted",
        SMALL,
        (
            Patch(Driver, "__init__", _new_driver_at_its_place),
            Patch(Driver, "_persisted", _persisted_for_whoever_lives),
            Patch(Gate, "persisted", _release_all_up_to),  # the second line of defence
        ),
    ),
    Mutant("clients: dedupe forgotten on forwarding", SMALL, (Patch(Router, "_attempt", _attempt_without_session),)),
    Mutant(
        "peers: store id not checked",
        Directed("another store", Level.SYSTEM, another_store),
        (
            Patch(Registration, "begin", _take_part_at_once),  # the first line of defence
            Patch(KnownStores, "admit", _believe_any_store),
        ),
    ),
    Mutant(
        "voters: a new store takes part before the others remember it",
        Directed("unheard store", Level.SYSTEM, unheard_store),
        (Patch(Registration, "begin", _take_part_at_once),),
    ),
)
"""All but the last two die under the profile `everything`."""
