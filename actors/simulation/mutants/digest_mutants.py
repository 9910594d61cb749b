"""Digest mutants: define bugs by which a replica that is apart is not found, or is believed."""

from __future__ import annotations

from coterie.actors.groups.replicas.replica import Replica
from coterie.actors.simulation.scenarios.digest_trials import apart_leader, lost_session
from coterie.protocols.checkpoints import Digest, DigestCount, DigestsAgree
from coterie.protocols.faults.kinds.fault_kinds import Level
from coterie.protocols.sessions import Done, Replies, Reply
from coterie.protocols.simulation.mutants import DirectedTrial, Mutant, Patch

__all__ = ["DIGEST_MUTANTS"]


def _machine_replies_only(self: Replica, reply: Reply | Replies, encoded: bytes) -> bytes:
    return encoded if isinstance(reply, Done) else b""


def _believe_the_first(self: DigestCount, digest: Digest) -> DigestsAgree | None:
    if not self._quorum.is_quorum(list(self._digest_by_member)):
        return None
    return DigestsAgree(self.index, next(iter(self._digest_by_member.values())), ())


DIGEST_MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "digests: without the replies of sessions",
        DirectedTrial("lost session", Level.SYSTEM, lost_session),
        (Patch(Replica, "_digested_bytes", _machine_replies_only),),
    ),
    Mutant(
        "digests: diverged state taken for truth",
        DirectedTrial("apart leader", Level.SYSTEM, apart_leader),
        (Patch(DigestCount, "_agreed", _believe_the_first),),
    ),
)
