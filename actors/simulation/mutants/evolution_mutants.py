"""Evolution mutants: defines bugs by which two releases of a state machine read one log in two ways."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from coterie.actors.groups.evolution import group_schemas
from coterie.actors.groups.evolution.group_schemas import GroupSchemas
from coterie.actors.groups.evolution.proposal_check import ProposalCheck
from coterie.actors.groups.evolution.recorded_records import RecordedRecord
from coterie.actors.groups.evolution.schema_keeper import SchemaKeeper
from coterie.actors.groups.evolution.schema_leadership import SchemaLeadership
from coterie.actors.simulation.scenarios.upgrades.evolution_trials import (
    activation_of_other_code,
    contradicting_code,
    inactive_command,
    older_code,
    two_releases,
)
from coterie.actors.topology import stored_schemas
from coterie.protocols.evolution.schema_text import hashed_version
from coterie.protocols.faults.kinds.fault_kinds import Level
from coterie.protocols.simulation.mutants import DirectedTrial, Mutant, Patch
from coterie.runtime.messages.trimmed_rows import encoded_default

__all__ = ["EVOLUTION_MUTANTS"]


def _no_contradictions(*_: object) -> list[str]:
    return []


def _always_followed(*_: object) -> None:
    return None


def _missing_by_the_code(self: RecordedRecord) -> dict[int, tuple[object, ...]]:
    described: Any = self._described
    defaults = [None if one.default is None else encoded_default(described, one) for one in described.fields]
    return {count: tuple(defaults[count:]) for count in self.arities}


def _held_up_by_version(self: SchemaLeadership, voters: Sequence[str]) -> list[str]:
    own = hashed_version(self._schemas.hash)
    return [node for node, known in self._hash_by_node.items() if hashed_version(known) != own]


EVOLUTION_MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "evolution: schema unchecked at the start",
        DirectedTrial("code that contradicts its log", Level.SYSTEM, contradicting_code),
        (Patch(stored_schemas, "contradictions", _no_contradictions),),
    ),
    Mutant(
        "evolution: default from the code",
        DirectedTrial("two releases", Level.SYSTEM, two_releases),
        (Patch(RecordedRecord, "_missing", property(_missing_by_the_code)),),
    ),
    Mutant(
        "evolution: inactive command proposed",
        DirectedTrial("a command that is not active", Level.SYSTEM, inactive_command),
        (Patch(ProposalCheck, "check", _always_followed),),
    ),
    Mutant(
        "evolution: quarantined replica leads",
        DirectedTrial("older code", Level.SYSTEM, older_code),
        (
            Patch(group_schemas, "why_not_followed", _always_followed),
            Patch(SchemaKeeper, "why_quarantined", _always_followed),
        ),
    ),
    Mutant(
        "evolution: quarantined replica applies",
        DirectedTrial("older code", Level.SYSTEM, older_code),
        (Patch(GroupSchemas, "adopt", _always_followed), Patch(SchemaKeeper, "why_quarantined", _always_followed)),
    ),
    Mutant(
        "evolution: activation by version number",
        DirectedTrial("two codes of one version", Level.SYSTEM, activation_of_other_code),
        (Patch(SchemaLeadership, "held_up_by", _held_up_by_version),),
    ),
)
"""All are killed by directed trials."""
