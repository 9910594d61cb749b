"""Cluster member mutants: define bugs of one node's part in membership, each of which a trial must detect."""

# ruff: noqa: SLF001 - a mutant replaces private methods

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from coterie.protocols.algorithm import NodeId
from coterie.protocols.membership import singletons, view_decisions
from coterie.protocols.membership.cut_detector import Alert, CutDetector
from coterie.protocols.membership.members import Incarnation, Member, MemberId
from coterie.protocols.membership.node.accusations import Accusations
from coterie.protocols.membership.node.cluster_member import ClusterMember
from coterie.protocols.membership.node.member_lease import DownTimes, MemberLease
from coterie.protocols.membership.node.membership_config import MembershipConfig
from coterie.protocols.membership.node.membership_messages import MemberAlerts
from coterie.protocols.membership.node.ring_monitor import RingMonitor
from coterie.protocols.membership.view import View
from coterie.protocols.membership.view_changes import Expel, Join
from coterie.protocols.simulation.membership.node_trials import (
    alerts_of_the_view_before,
    alerts_taken_back,
    cut_off_holder,
    cut_off_leader,
    expel_decided_late,
    holder_taken_down,
    impostor,
    join_decided_late,
    leaving_holder,
    overloaded_observer,
    replies_of_another_life,
    views_out_of_order,
)
from coterie.protocols.simulation.mutants.mutation_testing import Mutant, Patch, directed_mutant

__all__ = ["CLUSTER_MEMBER_MUTANTS"]


# --- leases


def _from_the_answer(self: MemberLease, asked_at: float, answered_at: float) -> float:
    return answered_at + self._config.lease_s


def _while_it_was_ever_in(self: MemberLease, *, now: float) -> bool:
    return self.ends_at > 0.0


def _without_drift(self: DownTimes, config: MembershipConfig) -> None:
    self._wait_s = config.lease_s
    self._seen_at = {}


_EXPELLABLE = ClusterMember._expellable


def _expellable_and_down_at_once(self: ClusterMember, members: Sequence[MemberId]) -> Expel | None:
    """Count from the proposal of the expulsion, not from when it was seen to be decided."""
    expel = _EXPELLABLE(self, members)
    for member in () if expel is None else expel.members:
        self._downs._seen_at.setdefault(member, self._lease.read_at)
    return expel


def _keep_what_was_proposed(self: DownTimes, view: View, *, now: float) -> None:
    for member in view:
        if member.is_down:
            self._seen_at.setdefault(member.identity, now)
    self._seen_at = {identity: at for identity, at in self._seen_at.items() if view.find(identity) is not None}


@property  # type: ignore[misc]  # it replaces a property of a class
def _may_act_after_handing_over(self: ClusterMember) -> bool:
    own = self._own
    return own is not None and not own.is_down


def _unless_it_is_down(view: View, member: MemberId) -> bool:
    found = view.find(member)
    return found is not None and not found.is_down


# --- lives and views


def _present_life(self: ClusterMember, sender: NodeId, incarnation: Incarnation) -> MemberId:
    found = self._view.member(sender)
    return MemberId(sender, incarnation) if found is None else found.identity


def _always_newer(self: ClusterMember, view: View) -> bool:
    return True


def _always_gone(present: Member, change: Join) -> bool:
    return True


def _names_none(self: ClusterMember) -> None:
    return None


# --- probes and accusations


def _never_late(self: RingMonitor, late_s: float) -> bool:
    return False


def _take_of_any_view(self: Accusations, alerts: MemberAlerts, *, now: float) -> None:
    self._set(alerts.observer, alerts.accused, now)


def _withdraw_nothing(self: CutDetector, alert: Alert, *, now: float) -> int:
    return 0


def _always_confirmed(self: ClusterMember, now: float) -> bool:
    return True


def _always_steady(self: MemberLease, *, now: float) -> bool:
    return True


_mutant = partial(directed_mutant, "membership")


CLUSTER_MEMBER_MUTANTS: tuple[Mutant, ...] = (
    _mutant("lease dated from its answer", cut_off_holder, Patch(MemberLease, "_expiry", _from_the_answer)),
    _mutant("cut-off node goes on acting", cut_off_holder, Patch(MemberLease, "is_valid", _while_it_was_ever_in)),
    _mutant("removed without the drift of clocks", holder_taken_down, Patch(DownTimes, "__init__", _without_drift)),
    _mutant(
        "removed a lease after the proposal",
        expel_decided_late,
        Patch(ClusterMember, "_expellable", _expellable_and_down_at_once),
        Patch(DownTimes, "learn", _keep_what_was_proposed),
    ),
    _mutant(
        "singleton begins while the old one is down",
        holder_taken_down,
        Patch(singletons, "_holds", _unless_it_is_down),
    ),
    _mutant("acts after handing over", leaving_holder, Patch(ClusterMember, "_may_act", _may_act_after_handing_over)),
    _mutant("reply of another life counted", replies_of_another_life, Patch(ClusterMember, "_replier", _present_life)),
    _mutant("older view learned", views_out_of_order, Patch(ClusterMember, "_is_newer", _always_newer)),
    _mutant("join of a second process accepted", impostor, Patch(view_decisions, "_is_gone", _always_gone)),
    _mutant("late join replaces the next life", join_decided_late, Patch(ClusterMember, "_replaces", _names_none)),
    _mutant("late round counted as lost", overloaded_observer, Patch(RingMonitor, "_is_late", _never_late)),
    _mutant("alert of another view counted", alerts_of_the_view_before, Patch(Accusations, "take", _take_of_any_view)),
    _mutant("accusations never withdrawn", alerts_taken_back, Patch(CutDetector, "withdraw", _withdraw_nothing)),
    _mutant(
        "cut-off leader proposes",
        cut_off_leader,
        Patch(ClusterMember, "_is_confirmed", _always_confirmed),
        Patch(MemberLease, "is_steady", _always_steady),
    ),
)
"""Each is killed by its own trial."""
