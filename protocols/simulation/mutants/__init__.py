"""Deliberate bugs: are the judges awake?

Each mutant replaces a small part of an algorithm while it runs; the judges stay as they are and must name an invariant
of safety that it breaks. The clean code must pass the very seeds that the mutant went through. A patch whose target is
gone fails loudly: whoever renames a method must look at its mutant.

The mutants of whole systems are in `coterie.actors.simulation.mutants`.
"""

from coterie.protocols.simulation.mutants.hunting import Directed, Explored, Hunt, Mutant, Patch, Trial, hunt, patched
from coterie.protocols.simulation.mutants.raft import RAFT_MUTANTS
from coterie.protocols.simulation.mutants.sessions import SESSION_MUTANTS
from coterie.protocols.simulation.mutants.synod import SYNOD_MUTANTS

__all__ = ["MUTANTS", "Directed", "Explored", "Hunt", "Mutant", "Patch", "Trial", "hunt", "patched"]

MUTANTS: tuple[Mutant, ...] = (*RAFT_MUTANTS, *SESSION_MUTANTS, *SYNOD_MUTANTS)
"""Those of the pure algorithms."""
