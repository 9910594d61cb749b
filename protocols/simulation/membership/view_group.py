"""`ViewGroup`: the group that holds the view, as one object that decides at once: it stands for Raft in simulations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from coterie.protocols.algorithm import NodeId
from coterie.protocols.membership.members import MemberId, ViewNumber
from coterie.protocols.membership.view import View
from coterie.protocols.membership.view_changes import ViewChange
from coterie.protocols.membership.view_decisions import Done, Refused, decide_together
from coterie.protocols.quorums import Majority

__all__ = ["ViewGroup"]


@dataclass(slots=True)
class ViewGroup:
    """The agreed state. Whether a node reaches it is decided by the world.

    Attributes:
        voters: the names of its nodes.
        view: the present view.
        views: every view so far, by its number.
        leader: the voter that leads; None while there is none.
        holder: which life has been granted the singleton last.
        epoch: how often it has been granted.
    """

    voters: tuple[NodeId, ...]
    view: View = View()
    views: dict[ViewNumber, View] = field(default_factory=dict)
    leader: NodeId | None = None
    holder: MemberId | None = None
    epoch: int = 0

    def propose(self, changes: Sequence[ViewChange]) -> tuple[Done | Refused, ...]:
        """Decide changes together; return an outcome for each."""
        together = decide_together(self.view, changes, group=Majority(self.voters))
        self.view = together.view
        self.views[self.view.number] = self.view
        return together.outcomes

    def newer_than(self, known: ViewNumber) -> View | None:
        """Return the view, if it is newer than number `known`: a linearizable read."""
        return self.view if self.view.number > known else None

    def claim(self, claimant: MemberId) -> int | None:
        """Grant the singleton to an up member, unless another life that is in the view holds it; return the epoch."""
        own = self.view.find(claimant)
        if own is None or not own.is_up or (self.holder != claimant and self.holds(self.holder)):
            return None
        self.holder = claimant
        self.epoch += 1
        return self.epoch

    def release(self, claimant: MemberId, epoch: int) -> None:
        """Take the singleton back, if it was granted under this epoch."""
        if (self.holder, self.epoch) == (claimant, epoch):
            self.holder = None

    def holds(self, identity: MemberId | None) -> bool:
        """Return whether a former claimant may still act: its life is in the view, in whatever state."""
        return identity is not None and self.view.find(identity) is not None
