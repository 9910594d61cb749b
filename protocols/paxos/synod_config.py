"""`SynodConfig`: holds the settings of single-decree Paxos: members, quorums, time-outs and back-off of a round."""

from __future__ import annotations

from dataclasses import dataclass

from coterie.protocols.algorithm import NodeId
from coterie.protocols.quorums import Majority, Quorum

__all__ = ["SynodConfig"]


@dataclass(frozen=True, slots=True)
class SynodConfig:
    """The members of a synod and the time-outs of its proposers. Safety depends on `members` and `quorum` only.

    Attributes:
        members: every node; each hosts a proposer, an acceptor and a learner. All nodes must agree on it.
        quorum: the sets of members that decide; None: any majority. Any two must intersect.
        round_timeout_min_s: a round that has not ended within a random time from here …
        round_timeout_max_s: … to here is given up and a higher one begun. Default 0.2 to 0.4 s, a hundred local round
            trips: too low abandons rounds that would have succeeded, too high waits long after a lost message.
        round_timeout_cap_s: a proposer's time-outs (and back-off) double after each round that ended in neither
            success nor refusal, until they are this long; a round that succeeds halves them. Default 5 s, for round
            trips of up to a second (a round takes two, and disk writes): too low never chooses on slow links, too high
            waits long after a partition.
        backoff_min_s: the longest wait after the first refusal; it doubles with each further one. Default 0.02 s, about
            the time a round takes: too low: duelling proposers keep refusing each other; too high: wasted time.
        backoff_max_s: the end of the doubling. Default 0.5 s: too low cannot separate many proposers.
    """

    members: tuple[NodeId, ...]
    quorum: Quorum | None = None
    round_timeout_min_s: float = 0.2
    round_timeout_max_s: float = 0.4
    round_timeout_cap_s: float = 5.0
    backoff_min_s: float = 0.02
    backoff_max_s: float = 0.5

    def __post_init__(self) -> None:
        """Validate the values.

        Raises:
            ValueError: no members or one twice, or times that are not positive or not ascending.
        """
        if not self.members or len(frozenset(self.members)) != len(self.members):
            raise ValueError(f"members must be distinct and at least one, got {self.members!r}")
        if not 0 < self.round_timeout_min_s <= self.round_timeout_max_s:
            raise ValueError(
                f"expected 0 < round_timeout_min_s <= round_timeout_max_s, got {self.round_timeout_min_s} and "
                f"{self.round_timeout_max_s}"
            )
        if self.round_timeout_cap_s < self.round_timeout_max_s:
            raise ValueError(
                f"round_timeout_cap_s ({self.round_timeout_cap_s}) is below round_timeout_max_s "
                f"({self.round_timeout_max_s})"
            )
        if not 0 < self.backoff_min_s <= self.backoff_max_s:
            raise ValueError(
                f"expected 0 < backoff_min_s <= backoff_max_s, got {self.backoff_min_s} and {self.backoff_max_s}"
            )

    @property
    def quorums(self) -> Quorum:
        """The quorum system in force."""
        return self.quorum if self.quorum is not None else Majority(self.members)
