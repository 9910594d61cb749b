"""`ViewGroup`: the group that holds the view, as one object that decides at once: it stands for Raft in simulations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from coterie.protocols.algorithm import NodeId
from coterie.protocols.membership.members import MemberId, ViewNumber
from coterie.protocols.membership.singletons import Epoch, Granted, Holders, claim
from coterie.protocols.membership.view import View
from coterie.protocols.membership.view_changes import ViewChange
from coterie.protocols.membership.view_decisions import Done, Refused, decide_together
from coterie.protocols.quorums import Majority

__all__ = ["ViewGroup"]

SINGLETON: Final = "singleton"


@dataclass(slots=True)
class ViewGroup:
    """The agreed state. Whether a node reaches it is decided by the world.

    Attributes:
        voters: the names of its nodes.
        view: the present view.
        views: every view so far, by its number.
        leader: the voter that leads; None while there is none.
        holders: who holds which singleton.
    """

    voters: tuple[NodeId, ...]
    view: View = field(default_factory=View)
    views: dict[ViewNumber, View] = field(default_factory=dict)
    leader: NodeId | None = None
    holders: Holders = field(default_factory=dict)

    def propose(self, changes: Sequence[ViewChange]) -> tuple[Done | Refused, ...]:
        """Decide changes together; return an outcome for each."""
        together = decide_together(self.view, changes, group=Majority(self.voters))
        self.view = together.view
        self.views[self.view.number] = self.view
        return together.outcomes

    def newer_than(self, known: ViewNumber) -> View | None:
        """Return the view, if it is newer than number `known`: a linearizable read."""
        return self.view if self.view.number > known else None

    def claim(self, claimant: MemberId) -> Epoch | None:
        """Grant the singleton, unless another life holds it; return the epoch, or None."""
        claimed = claim(self.holders, self.view, SINGLETON, claimant)
        self.holders = claimed.holders
        return claimed.answer.epoch if isinstance(claimed.answer, Granted) else None
