"""Mutants: put deliberate bugs into the algorithms, each of which the checkers must detect.

`balancing_mutants.py`: the mutants of load balancing.
`cluster_member_mutants.py`: the mutants of one node's part in cluster membership.
`detector_mutants.py`: the mutants of failure detectors.
`membership_mutants.py`: the mutants of Raft's members and log base.
`mutation_testing.py`: `Mutant`, a deliberate bug; `run_mutant`, runs it until a checker detects it.
`placement_mutants.py`: the mutants of placement.
`raft_mutants.py`: the mutants of Raft.
`session_mutants.py`: the mutants of sessions.
`snapshot_mutants.py`: the mutants of snapshots.
`swim_mutants.py`: the mutants of SWIM.
`synod_mutants.py`: the mutants of Synod.
`view_mutants.py`: the mutants of cluster membership.

Each mutant replaces a small part of an algorithm while it runs; the checkers are unchanged and must report a broken
safety invariant. The original code must pass the same seeds. A patch whose target does not exist raises an error: if
you rename a method, update its mutant.

The mutants of whole systems are in `coterie.actors.simulation.mutants`.
"""

from coterie.protocols.simulation.mutants.balancing_mutants import BALANCING_MUTANTS
from coterie.protocols.simulation.mutants.cluster_member_mutants import CLUSTER_MEMBER_MUTANTS
from coterie.protocols.simulation.mutants.detector_mutants import DETECTOR_MUTANTS
from coterie.protocols.simulation.mutants.membership_mutants import MEMBERSHIP_MUTANTS
from coterie.protocols.simulation.mutants.mutation_testing import (
    DirectedTrial,
    Mutant,
    MutantResult,
    MutantTrial,
    Patch,
    ScenarioTrial,
    patched,
    run_mutant,
)
from coterie.protocols.simulation.mutants.placement_mutants import PLACEMENT_MUTANTS
from coterie.protocols.simulation.mutants.raft_mutants import RAFT_MUTANTS
from coterie.protocols.simulation.mutants.session_mutants import SESSION_MUTANTS
from coterie.protocols.simulation.mutants.snapshot_mutants import SNAPSHOT_MUTANTS
from coterie.protocols.simulation.mutants.swim_mutants import SWIM_MUTANTS
from coterie.protocols.simulation.mutants.synod_mutants import SYNOD_MUTANTS
from coterie.protocols.simulation.mutants.view_mutants import VIEW_MUTANTS

__all__ = [
    "MUTANTS",
    "DirectedTrial",
    "Mutant",
    "MutantResult",
    "MutantTrial",
    "Patch",
    "ScenarioTrial",
    "patched",
    "run_mutant",
]

MUTANTS: tuple[Mutant, ...] = (
    *RAFT_MUTANTS,
    *MEMBERSHIP_MUTANTS,
    *SNAPSHOT_MUTANTS,
    *SESSION_MUTANTS,
    *SYNOD_MUTANTS,
    *DETECTOR_MUTANTS,
    *SWIM_MUTANTS,
    *BALANCING_MUTANTS,
    *VIEW_MUTANTS,
    *CLUSTER_MEMBER_MUTANTS,
    *PLACEMENT_MUTANTS,
)
"""The mutants of the pure algorithms."""
