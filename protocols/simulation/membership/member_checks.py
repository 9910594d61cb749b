"""`MemberChecks`: the invariants of a `MemberWorld`; each raises `Violation` at the step that breaks it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from coterie.protocols.checking.violation import ViolationContext
from coterie.protocols.membership.members import Member
from coterie.protocols.membership.node.membership_config import MembershipConfig
from coterie.protocols.membership.partition_policy import Stand
from coterie.protocols.membership.view import View
from coterie.protocols.simulation.membership.simulated_member import SimulatedMember
from coterie.protocols.simulation.membership.view_group import ViewGroup

__all__ = ["SLACK_S", "MemberChecks"]

SLACK_S = 1e-6
"""What times may differ by because of rounding, s."""


class MemberChecks:
    """The checkers.

    Args:
        context: the present step.
        group: the group that holds the view.
        config: the settings of membership.
    """

    def __init__(self, context: ViolationContext, group: ViewGroup, config: MembershipConfig) -> None:
        self._context = context
        self._group = group
        self._config = config

    def after_step(self, life: SimulatedMember, now: float) -> None:
        """Check the life that has done something: its lease, and that it acts only with it."""
        self.only_members_act([life], now)
        latest = life.clock.local(life.read_at) + self._config.lease_s + SLACK_S
        if life.algorithm.lease_ends_at > latest:
            over_s = life.algorithm.lease_ends_at - latest
            self._context.fail("membership.lease_dated", life.name, f"its lease ends {over_s:.3f} s too late")
        if life.algorithm.stand is Stand.ACT and life.handled_at >= life.algorithm.lease_ends_at:
            self._context.fail("membership.cut_off_stops", life.name, "it stands as one that acts, without a lease")

    def only_members_act(self, lives: Sequence[SimulatedMember], now: float) -> None:
        """Check that none that may act is in the view no more."""
        for life in lives:
            if life.may_act(now) and self._group.view.find(life.member.identity) is None:
                detail = f"{life.member.identity} is not in the view"
                self._context.fail("membership.only_members_act", life.name, detail)

    def one_singleton(self, lives: Sequence[SimulatedMember], now: float) -> None:
        """Check that at most one singleton acts."""
        acting = [life for life in lives if life.acts(now)]
        if len(acting) > 1:
            who = [f"{life.member.identity} since epoch {life.epoch}" for life in acting]
            self._context.fail("membership.one_singleton", None, f"{' and '.join(who)} act")

    def view_learned(self, life: SimulatedMember, view: View) -> None:
        """Check that a life learns the group's views, and none that is older than it knew."""
        if self._group.views.get(view.number) != view:
            self._context.fail("membership.one_order", life.name, f"view {view.number} was never decided")
        if view.number <= life.known:
            self._context.fail("membership.views_ascend", life.name, f"view {view.number} after view {life.known}")
        life.known = view.number

    def healthy_stay(self, before: View, faulty: Collection[str]) -> None:
        """Check that the members that the new view takes out had a fault, or it was wished."""
        for member in before:
            if not member.is_down and self._is_out(member) and member.address not in faulty:
                detail = f"{member.identity} is out, and was healthy"
                self._context.fail("membership.healthy_stays", member.name, detail)

    def _is_out(self, member: Member) -> bool:
        found = self._group.view.find(member.identity)
        return found is None or found.is_down
