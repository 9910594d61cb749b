"""Outcome mutants: defines bugs by which a client is told what is not true, or a replica goes on in a broken state."""

from __future__ import annotations

from coterie.actors.groups import group_client, leader_router
from coterie.actors.groups.replicas import typed_machine
from coterie.actors.groups.routed_command import RoutedCommand
from coterie.actors.simulation.scenarios.outcome_trials import out_of_memory, random_answers
from coterie.errors import CommandError, CommandRefused, CoterieError, Outcome
from coterie.protocols.faults.kinds.fault_kinds import Level
from coterie.protocols.simulation.mutants import DirectedTrial, Mutant, Patch

__all__ = ["OUTCOME_MUTANTS"]


def _withheld_as_unrun(self: RoutedCommand, size_bytes: int) -> None:
    self.reply_bytes = size_bytes


def _forget_attempt(self: RoutedCommand, outcome: Outcome) -> None:
    return


def _refused_for_certain(text: str, routed: RoutedCommand) -> CommandError:
    return CommandRefused(text)


def _outcome_of_class(error: BaseException) -> Outcome:
    return error.outcome if isinstance(error, CoterieError) else Outcome.UNKNOWN


def _never_local(error: BaseException) -> bool:
    return False


def _answers(seed: int) -> None:
    random_answers(seed)


RANDOM_ANSWERS = DirectedTrial("random answers", Level.SYSTEM, _answers)

OUTCOME_MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "outcomes: halves counted as unrun",
        RANDOM_ANSWERS,
        (Patch(RoutedCommand, "withheld", _withheld_as_unrun),),
    ),
    Mutant(
        "outcomes: lost attempts forgotten",
        RANDOM_ANSWERS,
        (Patch(RoutedCommand, "attempt_ended", _forget_attempt),),
    ),
    Mutant(
        "outcomes: a full session after a possible run called definite",
        RANDOM_ANSWERS,
        (Patch(group_client, "refused", _refused_for_certain),),
    ),
    Mutant(
        "outcomes: a refusal of size after a possible run called definite",
        RANDOM_ANSWERS,
        (Patch(leader_router, "refused", _refused_for_certain),),
    ),
    Mutant(
        "outcomes: an answer that does not decode called definite",
        RANDOM_ANSWERS,
        (Patch(leader_router, "outcome_of", _outcome_of_class),),
    ),
    Mutant(
        "machines: a lack of memory taken for an outcome",
        DirectedTrial("out of memory", Level.SYSTEM, out_of_memory),
        (Patch(typed_machine, "is_local", _never_local),),
    ),
)
"""All are killed by directed trials."""
