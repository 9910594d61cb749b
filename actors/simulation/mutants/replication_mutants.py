"""Replication mutants: defines deliberate bugs in the protocol driver, voter registration and client retries."""

# ruff: noqa: SLF001 - a mutant replaces private methods

from __future__ import annotations

import asyncio
import weakref
from typing import Any

from coterie.actors.driver import Driver
from coterie.actors.groups.leader_router import LeaderRouter
from coterie.actors.simulation.scenarios.member_runs import unheard_store
from coterie.actors.simulation.scenarios.raft_kv import RAFT_KV
from coterie.actors.voter_registration import VoterRegistration
from coterie.protocols.algorithm import Token
from coterie.protocols.durability_gate import DurabilityGate
from coterie.protocols.faults.kinds.fault_kinds import Level
from coterie.protocols.sessions.session_commands import SessionCommand, decode_command, encode_plain
from coterie.protocols.simulation.mutants import DirectedTrial, Mutant, Patch, ScenarioTrial
from coterie.runtime.system import System

__all__ = ["REPLICATION_MUTANTS"]

_attempt = LeaderRouter._attempt


def _attempt_without_session(
    self: LeaderRouter, command: bytes, left_s: float, route: Any, reply_bytes: int = 0
) -> asyncio.Future[Any]:
    sent_before: dict[bytes, None] = vars(self).setdefault("sent_before", {})
    if command in sent_before and isinstance(decoded := decode_command(command), SessionCommand):
        return _attempt(self, encode_plain(decoded.payload), left_s, route, reply_bytes)
    sent_before[command] = None
    return _attempt(self, command, left_s, route, reply_bytes)


def _vote_at_once(self: VoterRegistration) -> None:
    self._activate()


CONFIRMATION_DELAY_S = 0.02

_present: weakref.WeakKeyDictionary[System, dict[str, Driver[Any, Any]]] = weakref.WeakKeyDictionary()
_new_driver, _persisted = Driver.__init__, Driver._persisted


def _new_registered_driver(self: Driver[Any, Any], algorithm: Any, context: Any, *settings: Any, **named: Any) -> None:
    _new_driver(self, algorithm, context, *settings, **named)
    _present.setdefault(context.system, {})[context.self_ref.path] = self


def _persisted_for_present_driver(self: Driver[Any, Any], token: Token) -> None:
    context = self._context

    def answer() -> None:
        _persisted(_present[context.system][context.self_ref.path], token)

    context.system.loop.call_later(CONFIRMATION_DELAY_S, answer)


def _release_all_up_to(self: DurabilityGate[Any], token: Token) -> list[Any]:
    self._durable = max(self._durable, token)
    released = [send for after, send in self._held if after <= token]
    self._held = [(after, send) for after, send in self._held if after > token]
    return released


SMALL = ScenarioTrial(RAFT_KV, nodes=3, operations=400)

REPLICATION_MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        # As if disk confirmations were queued in the mailbox, which survives a restart.
        "driver: tokens of an earlier life accepted",
        SMALL,
        (
            Patch(Driver, "__init__", _new_registered_driver),
            Patch(Driver, "_persisted", _persisted_for_present_driver),
            Patch(DurabilityGate, "persisted", _release_all_up_to),  # the second check of the same property
        ),
        first_seed=10,
    ),
    Mutant(
        "clients: dedupe forgotten on forwarding", SMALL, (Patch(LeaderRouter, "_attempt", _attempt_without_session),)
    ),
    Mutant(
        "voters: a new store takes part before the others remember it",
        DirectedTrial("unheard store", Level.SYSTEM, unheard_store),
        (Patch(VoterRegistration, "begin", _vote_at_once),),
    ),
)
"""All but the last are killed under the profile `everything`."""
