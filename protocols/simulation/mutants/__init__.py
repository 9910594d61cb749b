"""Deliberate bugs: are the judges awake?

Each mutant replaces a small part of an algorithm while it runs; the judges stay as they are and must name an invariant
of safety that it breaks. The clean code must pass the very seeds that the mutant went through. A patch whose target is
gone fails loudly: whoever renames a method must look at its mutant.

The mutants of whole systems are in `coterie.actors.simulation.mutants`.
"""

from coterie.protocols.simulation.mutants.mutant_hunt import (
    Directed,
    Explored,
    Hunt,
    Mutant,
    Patch,
    Trial,
    hunt,
    patched,
)
from coterie.protocols.simulation.mutants.raft_mutants import RAFT_MUTANTS
from coterie.protocols.simulation.mutants.session_mutants import SESSION_MUTANTS
from coterie.protocols.simulation.mutants.synod_mutants import SYNOD_MUTANTS

__all__ = ["MUTANTS", "Directed", "Explored", "Hunt", "Mutant", "Patch", "Trial", "hunt", "patched"]

MUTANTS: tuple[Mutant, ...] = (*RAFT_MUTANTS, *SESSION_MUTANTS, *SYNOD_MUTANTS)
"""Those of the pure algorithms."""
