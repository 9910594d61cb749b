"""`SimulatedMember`: one life of a node in a `MemberWorld`: its process, its clock, and perhaps the singleton."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

from coterie.protocols.algorithm import NodeId
from coterie.protocols.membership.members import Member, MembershipState
from coterie.protocols.membership.node.cluster_member import ClusterMember
from coterie.protocols.membership.node.member_effects import Ended, GroupIs, MemberInput
from coterie.protocols.membership.partition_policy import Stand

__all__ = ["MemberClock", "SimulatedMember"]


@dataclass(frozen=True, slots=True)
class MemberClock:
    """A monotonic clock: it starts anywhere, and goes `rate` times as fast as real (simulated) time."""

    offset: float = 0.0
    rate: float = 1.0

    def local(self, real: float) -> float:
        """Return what the clock shows at a real time."""
        return self.offset + self.rate * real

    def real(self, local: float) -> float:
        """Return when the clock shows this."""
        return (local - self.offset) / self.rate


@dataclass(slots=True, eq=False)
class SimulatedMember:
    """One life.

    Attributes:
        member: its name, incarnation and address.
        algorithm: its part in the membership.
        clock: its clock.
        is_alive: whether its process runs (it may be paused).
        resumes_at: until when it is paused, s.
        held: what has arrived while it is paused.
        armed_at: for which local time its timer is set.
        told: what it was told last of the group's leader.
        addresses: of the nodes that have sent it something, by name.
        epoch: of the singleton that it runs; None if it does not.
        is_claiming: whether it waits for the answer to a claim.
        read_at: when the group last read for it that it is in the view, s.
        wants_to_leave: whether it has been asked to leave.
        hands_over_at: when it has handed over, s.
        ended: how it ended by itself.
        handled_at: when it did something last, by its clock.
        known: the number of the last view that it has reported.
    """

    member: Member
    algorithm: ClusterMember
    clock: MemberClock
    is_alive: bool = True
    resumes_at: float = 0.0
    held: list[MemberInput] = field(default_factory=list)
    armed_at: float = inf
    told: GroupIs | None = None
    addresses: dict[NodeId, str] = field(default_factory=dict)
    epoch: int | None = None
    is_claiming: bool = False
    read_at: float = -inf
    wants_to_leave: bool = False
    hands_over_at: float = inf
    ended: Ended | None = None
    known: int = 0
    handled_at: float = -inf

    @property
    def address(self) -> str:
        """Where it is reached."""
        return self.member.address

    @property
    def name(self) -> NodeId:
        """The name of its node."""
        return self.member.name

    def runs(self, now: float) -> bool:
        """Return whether it does anything at `now` (s)."""
        return self.is_alive and now >= self.resumes_at

    def may_act(self, now: float) -> bool:
        """Return whether its lease is valid by its own clock."""
        return self.is_alive and self.clock.local(now) < self.algorithm.lease_ends_at

    def acts(self, now: float) -> bool:
        """Return whether its singleton acts. One that is paused counts: it may go on in the middle of a step."""
        return self.epoch is not None and self.may_act(now)

    def is_preferred(self) -> bool:
        """Return whether it is the up member that claims the singleton: the first by (since, name) that it knows."""
        up = self.algorithm.view.up
        first = min(up, key=lambda member: (member.since, member.name), default=None)
        return first is not None and first.identity == self.member.identity

    def would_claim(self, now: float) -> bool:
        """Return whether it claims the singleton now."""
        is_free = self.epoch is None and not self.is_claiming and not self.wants_to_leave
        return is_free and self.algorithm.stand is Stand.ACT and self.may_act(now) and self.is_preferred()

    @property
    def is_leaving(self) -> bool:
        """Whether the view that it knows says that it leaves."""
        own = self.algorithm.view.find(self.member.identity)
        return own is not None and own.state is MembershipState.LEAVING
