"""System mutants: defines deliberate bugs in storage, runtime and replication, which the checkers must find.

`singleton_mutants.py`: defines bugs by which a singleton acts twice, or with an old epoch.
`storage_mutants.py`: defines bugs in the log store and in its recovery.
`authorisation_mutants.py`: defines bugs in who is heard, and in what is decoded and kept of what a peer sends.
`digest_mutants.py`: defines bugs by which a replica that is apart is not found, or is believed.
`evolution_mutants.py`: defines bugs in what a log means to two releases of a state machine.
`member_mutants.py`: defines bugs in who counts in a group.
`outcome_mutants.py`: defines bugs in what clients are told, and in what stops a replica.
`replication_mutants.py`: defines bugs in the driver, voter registration and client retries.
`compaction_mutants.py`: defines bugs in how replicas take, confirm, send and restore snapshots.
`runtime_mutants.py`: defines bugs in mailboxes, supervision, asks, watches and the transport.

`coterie.protocols.simulation.mutants` explains mutants and how they are run.
"""

from coterie.actors.simulation.mutants.authorisation_mutants import AUTHORISATION_MUTANTS
from coterie.actors.simulation.mutants.compaction_mutants import COMPACTION_MUTANTS
from coterie.actors.simulation.mutants.digest_mutants import DIGEST_MUTANTS
from coterie.actors.simulation.mutants.evolution_mutants import EVOLUTION_MUTANTS
from coterie.actors.simulation.mutants.member_mutants import MEMBER_MUTANTS
from coterie.actors.simulation.mutants.outcome_mutants import OUTCOME_MUTANTS
from coterie.actors.simulation.mutants.replication_mutants import REPLICATION_MUTANTS
from coterie.actors.simulation.mutants.runtime_mutants import RUNTIME_MUTANTS
from coterie.actors.simulation.mutants.singleton_mutants import SINGLETON_MUTANTS
from coterie.actors.simulation.mutants.storage_mutants import STORAGE_MUTANTS
from coterie.protocols.simulation.mutants import Mutant

__all__ = ["SYSTEM_MUTANTS"]

SYSTEM_MUTANTS: tuple[Mutant, ...] = (
    *STORAGE_MUTANTS,
    *REPLICATION_MUTANTS,
    *MEMBER_MUTANTS,
    *SINGLETON_MUTANTS,
    *OUTCOME_MUTANTS,
    *DIGEST_MUTANTS,
    *EVOLUTION_MUTANTS,
    *COMPACTION_MUTANTS,
    *RUNTIME_MUTANTS,
    *AUTHORISATION_MUTANTS,
)
"""All mutants of whole systems."""
