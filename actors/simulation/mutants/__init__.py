"""Deliberate bugs in whole systems.

What mutants are, and how they are hunted, is in `coterie.protocols.simulation.mutants`.
"""

from coterie.actors.simulation.mutants.replication_mutants import REPLICATION_MUTANTS
from coterie.actors.simulation.mutants.runtime_mutants import RUNTIME_MUTANTS
from coterie.actors.simulation.mutants.storage_mutants import STORAGE_MUTANTS
from coterie.protocols.simulation.mutants import Mutant

__all__ = ["SYSTEM_MUTANTS"]

SYSTEM_MUTANTS: tuple[Mutant, ...] = (*STORAGE_MUTANTS, *REPLICATION_MUTANTS, *RUNTIME_MUTANTS)
"""Those of whole systems."""
