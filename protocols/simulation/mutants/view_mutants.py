"""View mutants: define bugs of cluster membership, each of which a directed trial must detect."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Any

from coterie.protocols.membership import partition_policy, services, singletons, view_decisions
from coterie.protocols.membership.cut_detector import Alert, Cut, CutDetector
from coterie.protocols.membership.member_events import changes_between
from coterie.protocols.membership.members import Member, MemberId, MembershipState
from coterie.protocols.membership.partition_policy import PartitionPolicy, Stand
from coterie.protocols.membership.services import ServiceEntry
from coterie.protocols.membership.singletons import Epoch, Holder
from coterie.protocols.membership.view import View
from coterie.protocols.membership.view_changes import Join
from coterie.protocols.membership.view_decisions import _Draft
from coterie.protocols.membership.view_stream import ViewChanged, ViewStream
from coterie.protocols.simulation.directed.view_trials import (
    claim_of_a_former_life,
    claim_while_the_holder_is_down,
    crashes_together,
    deaf_members,
    entries_of_a_removed_member,
    equal_halves,
    last_up_member,
    late_expel,
    late_release,
    late_view,
    new_subscriber,
    one_accuser,
    removed_life,
    repeated_alert,
    side_without_quorum,
    two_of_one_name,
)
from coterie.protocols.simulation.mutants.mutation_testing import Mutant, Patch, directed_mutant

__all__ = ["VIEW_MUTANTS"]


# --- partitions


def _act_if_the_policy_serves(
    policy: PartitionPolicy, view: View, reachable: AbstractSet[MemberId], *, has_quorum: bool
) -> Stand:
    return Stand.ACT if has_quorum or policy.keeps_serving(view, reachable) else policy.otherwise


def _at_least_half(counted: Sequence[Member], reachable: AbstractSet[MemberId]) -> bool:
    return 2 * sum(member.identity in reachable for member in counted) >= len(counted)


# --- decisions


def _same_name(member: Member, identity: MemberId) -> bool:
    return member.name == identity.name


def _never_removed(self: object, identity: MemberId) -> bool:
    return False


def _always_gone(present: Member, change: Join) -> bool:
    return True


@property  # type: ignore[misc]  # it replaces a property of a class
def _up_or_leaving(self: Member) -> bool:
    return self.state in (MembershipState.UP, MembershipState.LEAVING)


# --- singletons and services


def _unless_down(view: View, member: MemberId) -> bool:
    found = view.find(member)
    return found is not None and not found.is_down


def _present_by_name(view: View, identity: MemberId) -> Member | None:
    return view.member(identity.name)


def _any_grant(last: Holder, epoch: Epoch) -> bool:
    return True


def _keep_all(entry: ServiceEntry, present: frozenset[MemberId]) -> bool:
    return True


# --- streams


def _learn_in_any_order(self: ViewStream[Any], view: View) -> tuple[ViewChanged[Any], ...]:
    old, new = sorted((self._view, view), key=lambda it: it.number)
    events = changes_between(old, new)
    self._view = view
    return tuple(ViewChanged(subscriber, view, events) for subscriber in self._subscribers)


def _subscribe_after_the_next_change(self: ViewStream[Any], subscriber: object) -> View:
    waiting: Any = True
    self._subscribers[subscriber] = waiting  # the patch below tells True from None
    return self._view


def _tell_those_who_wait_no_longer(self: ViewStream[Any], view: View) -> tuple[ViewChanged[Any], ...]:
    events = changes_between(self._view, view)
    self._view = view
    told = [subscriber for subscriber, waiting in dict[Any, Any](self._subscribers).items() if not waiting]
    self._subscribers = dict.fromkeys(self._subscribers)
    return tuple(ViewChanged(subscriber, view, events) for subscriber in told)


# --- cuts


def _enter_again(self: CutDetector, alert: Alert, ring: int) -> None:
    known = self._accusers.setdefault(alert.subject, {})
    known[ring if ring not in known else 1000 + len(known)] = alert.observer


def _one_will_do(self: CutDetector, accusers: Mapping[int, MemberId]) -> bool:
    return True


def _stable_ones_at_once(self: CutDetector, *, now: float) -> Cut | None:
    suspects = self._suspects(now)
    stable = tuple(suspect for suspect in suspects if self._is_stable(suspect, suspects, now))
    return Cut(self.rings.number, stable) if stable else None


def _believe_all(self: CutDetector, member: MemberId, unheard: Container[MemberId]) -> bool:
    return self._count(member) >= self._config.low and self._has_witnesses(self._accusers[member])


def _at_once(self: CutDetector, suspect: MemberId, now: float) -> bool:
    return True


_mutant = partial(directed_mutant, "view")


VIEW_MUTANTS: tuple[Mutant, ...] = (
    _mutant("minority acts", side_without_quorum, Patch(partition_policy, "stand", _act_if_the_policy_serves)),
    _mutant("half is a majority", equal_halves, Patch(partition_policy, "_has_majority", _at_least_half)),
    _mutant("incarnation no part of identity", late_expel, Patch(view_decisions, "_is_same_life", _same_name)),
    _mutant("removed life joins again", removed_life, Patch(_Draft, "was_removed", _never_removed)),
    _mutant("two of one name", two_of_one_name, Patch(view_decisions, "_is_gone", _always_gone)),
    _mutant("leaving node counted as up", last_up_member, Patch(Member, "is_up", _up_or_leaving)),
    _mutant("view applied out of order", late_view, Patch(ViewStream, "learn", _learn_in_any_order)),
    _mutant(
        "change after snapshot missed",
        new_subscriber,
        Patch(ViewStream, "subscribe", _subscribe_after_the_next_change),
        Patch(ViewStream, "learn", _tell_those_who_wait_no_longer),
    ),
    _mutant("alert counted twice in a ring", repeated_alert, Patch(CutDetector, "_enter", _enter_again)),
    _mutant("H reached by one accuser", one_accuser, Patch(CutDetector, "_has_witnesses", _one_will_do)),
    _mutant("deaf accusers believed", deaf_members, Patch(CutDetector, "_is_suspected", _believe_all)),
    _mutant("implicit alerts at once", deaf_members, Patch(CutDetector, "_counts_implicitly", _at_once)),
    _mutant("down holder holds nothing", claim_while_the_holder_is_down, Patch(singletons, "_holds", _unless_down)),
    _mutant("claim by name alone", claim_of_a_former_life, Patch(singletons, "_present", _present_by_name)),
    _mutant("epoch of a release not compared", late_release, Patch(singletons, "_is_same_grant", _any_grant)),
    _mutant("entries of removed members kept", entries_of_a_removed_member, Patch(services, "_is_kept", _keep_all)),
    _mutant("flux does not hold up a cut", crashes_together, Patch(CutDetector, "cut", _stable_ones_at_once)),
)
"""Each is killed by its own trial."""
