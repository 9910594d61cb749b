"""`DigestCount`: compares the digests that the replicas report for one index, until a quorum agrees or none can."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checkpoints.digest_history import Digest
from coterie.protocols.quorums import Quorum
from coterie.protocols.replicated_log import LogIndex

__all__ = ["DigestCount", "DigestsAgree", "DigestsDiffer"]


@dataclass(frozen=True, slots=True)
class DigestsAgree:
    """A quorum has the digest `digest` at entry `index`; `apart`: the members that reported another one so far."""

    index: LogIndex
    digest: Digest
    apart: tuple[NodeId, ...]


@dataclass(frozen=True, slots=True)
class DigestsDiffer:
    """Members differ at entry `index`, and no quorum agrees: the state of no replica is proven.

    `is_final`: no quorum can agree any more, whatever the others report; else they have not reported yet.
    """

    index: LogIndex
    digest_by_member: Mapping[NodeId, Digest]
    is_final: bool = True


class DigestCount:
    """The count for one index. Report each member's digest; the first result that is not None is final.

    Args:
        quorum: the group's quorums.
        index: the entry that the digests are about.
    """

    __slots__ = ("_digest_by_member", "_quorum", "index", "is_decided")

    def __init__(self, quorum: Quorum, index: LogIndex) -> None:
        self._quorum = quorum
        self.index = index
        self._digest_by_member: dict[NodeId, Digest] = {}
        self.is_decided = False
        """Whether there is a result."""

    def report(self, member: NodeId, digest: Digest) -> DigestsAgree | DigestsDiffer | None:
        """Count the digest of `member`, its first; return the result once there is one, and None ever after."""
        if self.is_decided or member not in self._quorum.members or member in self._digest_by_member:
            return None
        self._digest_by_member[member] = digest
        result = self._agreed(digest) or self._divided()
        self.is_decided = result is not None
        return result

    def differing(self) -> DigestsDiffer | None:
        """Return that the members that have reported differ, if there is no result yet; None: they do not."""
        if self.is_decided or len(set(self._digest_by_member.values())) < 2:
            return None
        return DigestsDiffer(self.index, dict(self._digest_by_member), is_final=False)

    def _agreed(self, digest: Digest) -> DigestsAgree | None:
        if not self._quorum.is_quorum(self._members_with(digest)):
            return None
        apart = tuple(member for member, other in self._digest_by_member.items() if other != digest)
        return DigestsAgree(self.index, digest, apart)

    def _divided(self) -> DigestsDiffer | None:
        """Return that no quorum is possible, counting each member that has not reported for every digest."""
        missing = [member for member in self._quorum.members if member not in self._digest_by_member]
        for digest in dict.fromkeys(self._digest_by_member.values()):
            if self._quorum.is_quorum(self._members_with(digest) + missing):
                return None
        if self._quorum.is_quorum(missing):
            return None
        return DigestsDiffer(self.index, dict(self._digest_by_member))

    def _members_with(self, digest: Digest) -> list[NodeId]:
        return [member for member, other in self._digest_by_member.items() if other == digest]
