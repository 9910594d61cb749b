"""Singleton mutants: defines bugs by which the actor of a singleton acts when it must not, or with an old epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from coterie.actors.membership.singleton import held_messages
from coterie.actors.membership.singleton.lease_guard import LeaseGuard
from coterie.actors.membership.singleton.singleton_actor import SingletonActor
from coterie.actors.simulation.scenarios.members.singleton_trials import (
    ask_without_an_outcome,
    grant_after_the_lease,
    lease_that_ends,
    return_of_a_busy_one,
    second_grant,
)
from coterie.errors import CoterieError
from coterie.protocols.faults.kinds.fault_kinds import Level
from coterie.protocols.membership import singleton_steps
from coterie.protocols.membership.singleton_steps import NextStep, Situation, Step
from coterie.protocols.membership.singletons import Epoch
from coterie.protocols.simulation.mutants import DirectedTrial, Mutant, Patch
from coterie.runtime.messages.message import Ask

__all__ = ["SINGLETON_MUTANTS"]

_start = SingletonActor._start  # noqa: SLF001 (it is patched)


def _never(self: LeaseGuard) -> None:
    return


def _always(self: SingletonActor[Any]) -> bool:
    return True


def _start_with_the_known_epoch(self: SingletonActor[Any], epoch: Epoch) -> None:
    known = self._membership.registry.holders.get(self._name)
    _start(self, epoch if known is None else known.epoch)


def _give_back_first(here: Situation, running: Epoch) -> NextStep:
    return NextStep(None, here.stop_at) if here.is_wanted else NextStep(Step.GIVE_BACK)


def _all_but_answers(error: CoterieError, msg: Ask[Any]) -> bool:
    return True


def _mutant(name: str, trial: Callable[[int], None], *patches: Patch) -> Mutant:
    return Mutant(
        f"singletons: {name}", DirectedTrial(trial.__name__.replace("_", " "), Level.SYSTEM, trial), tuple(patches)
    )


SINGLETON_MUTANTS: tuple[Mutant, ...] = (
    _mutant("an actor goes on after the lease", lease_that_ends, Patch(LeaseGuard, "look", _never)),
    _mutant("an actor begins without a lease", grant_after_the_lease, Patch(SingletonActor, "_may_run", _always)),
    _mutant(
        "epoch of an earlier grant used",
        second_grant,
        Patch(SingletonActor, "_start", _start_with_the_known_epoch),
    ),
    _mutant(
        "given back before its actor has stopped",
        return_of_a_busy_one,
        Patch(singleton_steps, "_next_of_running", _give_back_first),
    ),
    _mutant(
        "an ask of unknown outcome sent again",
        ask_without_an_outcome,
        Patch(held_messages, "was_not_handled", _all_but_answers),
    ),
)
"""All are killed by directed trials."""
