"""`ClusterMember`: one node's part in the membership of its cluster: joins, holds its lease, accuses, proposes; pure.

    group that holds the view ◀─ Follow ── every member: am I in, and is there a newer view?   (a linearizable read)
                              ── View, or nothing ▶ lease, rings, partition policy

    observer ─ MemberProbe ▶ subject ─ MemberProbeReply ▶ observer
             ─ MemberAlerts ▶ nodes of the group ▶ CutDetector ─▶ leader: Proposal(Expel)

    new process ─ ChangeRequest(Join) ▶ leader ─▶ Proposal(Join, Join, …) ─▶ one view for all of them

What a member wants follows from the newest view that it knows: not in it, it asks to join; joining, to be up; leaving,
and with nothing left to hand over, to have left. It asks again until a view shows that. No decision depends on who
leads: the leader collects changes, and any other node may propose the same ones.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from math import inf
from typing import Final, assert_never

from coterie.protocols.algorithm import NodeId, Observe, Received, Send
from coterie.protocols.membership.cut_detector import Cut
from coterie.protocols.membership.members import Incarnation, Member, MemberId, MembershipState
from coterie.protocols.membership.node.accusations import Accusations
from coterie.protocols.membership.node.change_queue import ChangeQueue
from coterie.protocols.membership.node.member_effects import (
    Ended,
    Follow,
    FollowAnswered,
    FollowFailed,
    GroupIs,
    HandedOver,
    LeaveWanted,
    MemberEffect,
    MemberInput,
    Proposal,
    ProposalAnswered,
    ProposalFailed,
    StandChanged,
    Unreachable,
    ViewLearned,
)
from coterie.protocols.membership.node.member_lease import DownTimes, MemberLease
from coterie.protocols.membership.node.membership_config import MembershipConfig
from coterie.protocols.membership.node.membership_messages import (
    ChangeRefused,
    ChangeRequest,
    MemberAlerts,
    MemberMessage,
    MemberProbe,
    MemberProbeReply,
    OwnChange,
    ViewHint,
)
from coterie.protocols.membership.node.ring_monitor import RingMonitor
from coterie.protocols.membership.partition_policy import PartitionPolicy, PartitionWatch, Stand
from coterie.protocols.membership.rings import Rings, rings_of
from coterie.protocols.membership.view import View
from coterie.protocols.membership.view_changes import BecomeUp, Expel, Join, Leave, Left, Remove, ViewChange
from coterie.protocols.membership.view_decisions import Done, Refused

__all__ = ["ClusterMember"]

ASK_AGAIN_S: Final = 1.0
"""How often a member asks for a change of its own, and sends its alerts, again."""

PROPOSE_AGAIN_S: Final = 0.5
"""How long a leader waits after a proposal has failed, which may be at once, before it makes the next one by itself."""

ALL_CLEAR_SENDS: Final = 3
"""How many times a member says that it accuses nobody any more."""


class ClusterMember:
    """The algorithm of one life of a node.

    Args:
        me: this node; its state is not read.
        config: the settings.
        policy: what the nodes of a side without the group's quorum do.
        roles_by_node: the roles of the nodes that found the cluster, by name: for the check of the policy.
        rng: draws the phase of the probes.
        rings: makes the rings of a view (default: `rings_of`); simulations make those of each view once.

    Raises:
        ValueError: the policy cannot decide for these nodes.
    """

    def __init__(
        self,
        me: Member,
        config: MembershipConfig,
        *,
        policy: PartitionPolicy,
        roles_by_node: Mapping[NodeId, AbstractSet[str]],
        rng: random.Random,
        rings: Callable[[View], Rings] | None = None,
    ) -> None:
        self._me = me
        self._config = config
        self._view = View()
        self._make_rings = rings or partial(rings_of, count=config.cut.rings)
        self._rings = self._make_rings(self._view)
        self._group = GroupIs(None, ())
        self._lease = MemberLease(config)
        self._downs = DownTimes(config)
        self._queue = ChangeQueue(config)
        self._monitor = RingMonitor(config, rng=rng)
        self._accusations = Accusations(self._view, config.cut, self._rings)
        self._watch = PartitionWatch(policy, roles_by_node, stable_after_s=config.stable_after_s)
        self._stand = Stand.SERVE
        self._has_acted = False
        self._unreachable: frozenset[NodeId] = frozenset()
        self._unlinked: frozenset[MemberId] = frozenset()  # the members of the view that are unreachable
        self._situation: object = None
        self._accused: tuple[int, tuple[MemberId, ...]] = (0, ())
        self._alerts_left = 0
        self._alert_at: float | None = None
        self._lead_at: float | None = None
        self._asked: OwnChange | None = None
        self._ask_at: float | None = 0.0
        self._is_leave_wanted = self._has_handed_over = self._was_in = self._is_ended = self._has_read = False
        self._refusal = ""
        self._kept: frozenset[ViewChange] = frozenset()
        self._cut: Cut | None = None
        self._confirm_from = -inf

    # --- what the driver reads --------------------------------------------------------------------------------------

    @property
    def view(self) -> View:
        """The newest view that is known here."""
        return self._view

    @property
    def stand(self) -> Stand:
        """What this node does in its situation. ACT only while its lease is valid, see `lease_ends_at`."""
        return self._stand

    @property
    def lease_ends_at(self) -> float:
        """Until when this member may act (monotonic, s); -inf: it may not."""
        return self._lease.ends_at

    @property
    def refusal(self) -> str:
        """Why the group refuses what this member asks for; "" if it does not."""
        return self._refusal

    @property
    def unheard(self) -> tuple[MemberId, ...]:
        """The members that this one observes and does not hear, sorted."""
        return self._accused[1]

    @property
    def is_leading(self) -> bool:
        """Whether this node presumably leads the group that holds the view."""
        return self._group.leader == self._me.name

    @property
    def deadline(self) -> float | None:
        """When `tick` is due (monotonic, s); None once this life is in the view no more."""
        if self._is_ended:
            return None
        times = [self._lease.ask_at, self._monitor.deadline, self._alert_at, self._ask_at, self._watch.deadline]
        if self._stand is Stand.ACT:
            times.append(self._lease.ends_at)
        if self.is_leading:
            times += [self._queue.deadline, self._lead_at]
        return min((time for time in times if time is not None), default=None)

    # --- events -----------------------------------------------------------------------------------------------------

    def handle(self, events: Sequence[MemberInput], *, now: float) -> Sequence[MemberEffect]:
        """Take a batch of events at monotonic time `now` (s); return ordered effects."""
        effects: list[MemberEffect] = []
        for event in events:
            if not self._is_ended:
                effects += self._take(event, now)
        return effects if self._is_ended else [*effects, *self._settle(now)]

    def tick(self, *, now: float) -> Sequence[MemberEffect]:
        """Send what is due, and draw the consequences of the time that has passed."""
        if self._is_ended:
            return []
        number, members = self._monitor.begin_round(now=now)
        probes = [_send(member.name, MemberProbe(member.incarnation, number)) for member in members]
        return [*probes, *self._settle(now)]

    def _take(self, event: MemberInput, now: float) -> Sequence[MemberEffect]:
        match event:
            case Received(sender, message):
                return self._received(sender, message, now)
            case GroupIs():
                self._take_group(event, now)
            case FollowAnswered(token, view):
                self._has_read = True
                effects = [] if view is None else self._learn(view, now)
                self._lease.answered(token, is_in=self._may_act, now=now)
                return effects
            case FollowFailed(token):
                self._lease.failed(token, now=now)
            case ProposalAnswered(token, outcomes):
                return list(self._decided(token, outcomes, now))
            case ProposalFailed(token, reason):
                self._confirm_from = now + PROPOSE_AGAIN_S
                lost = self._queue.answered(token, now=now)
                return [Observe("membership.proposal_failed", {"changes": len(lost), "reason": reason})]
            case LeaveWanted():
                self._is_leave_wanted = True
            case HandedOver():
                self._has_handed_over = True
                self._lease.end()
            case Unreachable(nodes):
                self._unreachable = nodes
                self._unlinked = self._unlinked_now()
            case _:
                assert_never(event)
        return []

    def _take_group(self, group: GroupIs, now: float) -> None:
        """Take who leads: a new leader is asked, and told whom this member accuses, at once."""
        if group.leader != self._group.leader:
            self._queue.clear()
            self._ask_at = now
            self._alert_at = now if self._accused[1] else self._alert_at
        if group.voters != self._group.voters:
            self._kept = frozenset()
        self._group = group

    def _received(self, sender: NodeId, message: MemberMessage, now: float) -> Sequence[MemberEffect]:
        match message:
            case MemberProbe(incarnation, number):
                is_for_me = incarnation == self._me.incarnation
                return [Send(sender, MemberProbeReply(incarnation, number))] if is_for_me else []
            case MemberProbeReply(incarnation, number):
                self._monitor.replied(self._replier(sender, incarnation), number)
            case MemberAlerts():
                if message.observer.name == sender:
                    self._take_alerts(message, now)
            case ViewHint(number):
                if number > self._view.number:
                    self._lease.ask_now(now=now)
            case ChangeRequest():
                return self._requested(sender, message, now)
            case ChangeRefused(incarnation, reason):
                if incarnation == self._me.incarnation and reason != self._refusal:
                    self._refusal = reason
                    return [Observe("membership.change_refused", {"reason": reason})]
            case _:
                assert_never(message)
        return []

    def _replier(self, sender: NodeId, incarnation: Incarnation) -> MemberId:
        return MemberId(sender, incarnation)

    # --- views ------------------------------------------------------------------------------------------------------

    def _learn(self, view: View, now: float) -> list[MemberEffect]:
        """Take a view that was decided; one that is not newer changes nothing."""
        if not self._is_newer(view):
            return []
        self._view = view
        self._downs.learn(view, now=now)
        self._rings = self._make_rings(view)
        self._accusations = Accusations(view, self._config.cut, self._rings, self._accusations)
        self._cut = None
        self._monitor.observe(self._rings.subjects.get(self._me.identity, ()), now=now)
        self._kept = frozenset()
        self._unlinked = self._unlinked_now()
        effects: list[MemberEffect] = [ViewLearned(view)]
        own = view.find(self._me.identity)
        if own is None or own.is_down:
            effects += self._end(own)
        else:
            self._was_in, self._refusal = True, ""
        if self.is_leading:
            others = (member.name for member in view if member.identity != self._me.identity)
            effects += [Send(name, ViewHint(view.number)) for name in others]
        return effects

    def _unlinked_now(self) -> frozenset[MemberId]:
        return frozenset(member.identity for member in self._view.present if member.name in self._unreachable)

    def _is_newer(self, view: View) -> bool:
        return view.number > self._view.number

    @property
    def _own(self) -> Member | None:
        return self._view.find(self._me.identity)

    @property
    def _may_act(self) -> bool:
        own = self._own
        return own is not None and not own.is_down and not self._has_handed_over

    def _end(self, own: Member | None) -> Iterator[MemberEffect]:
        """End this life, if it was in the view and is so no more. It may have been without having learned of it."""
        if own is None and not self._was_in and self._me.identity not in self._view.removed:
            return
        self._is_ended = True
        self._lease.end()
        if own is None and self._has_handed_over:
            yield Ended("it has left", True)
        else:
            what = "was removed" if own is None else "is down"
            yield Ended(f"{self._me.identity} {what} since view {self._view.number}", False)

    # --- alerts -----------------------------------------------------------------------------------------------------

    def _take_alerts(self, alerts: MemberAlerts, now: float) -> None:
        if alerts.number > self._view.number:
            self._lease.ask_now(now=now)
        self._accusations.take(alerts, now=now)

    def _alert(self, now: float) -> Iterator[MemberEffect]:
        """Tell the nodes of the group whom this member does not hear: at once if that has changed, and again."""
        unheard = self._monitor.unheard
        accused = (self._view.number, unheard)
        if accused != self._accused:
            self._alerts_left = ALL_CLEAR_SENDS if self._accused[1] else 0
            self._accused, self._alert_at = accused, now
        if not unheard and self._alerts_left == 0:
            self._alert_at = None
        if self._alert_at is None or now < self._alert_at:
            return
        self._alerts_left = max(0, self._alerts_left - 1)
        self._alert_at = now + ASK_AGAIN_S
        alerts = MemberAlerts(self._view.number, self._me.identity, unheard)
        self._take_alerts(alerts, now)
        yield from (_send(voter, alerts) for voter in self._group.voters if voter != self._me.name)

    # --- own changes ------------------------------------------------------------------------------------------------

    def _wanted(self) -> OwnChange | None:
        """Return what this member wants the group to decide about it."""
        own, identity = self._own, self._me.identity
        if own is None:
            return Join(self._me, self._replaces()) if self._has_read and not self._was_in else None
        match own.state:
            case MembershipState.JOINING:
                return BecomeUp(identity)
            case MembershipState.UP:
                return Leave(identity) if self._is_leave_wanted else None
            case MembershipState.LEAVING:
                return Left(identity) if self._has_handed_over else None
            case MembershipState.DOWN:
                return None
            case _:
                assert_never(own.state)

    def _replaces(self) -> Incarnation:
        """Return the life that has ended for sure, since this one has its address or store; this one: there is none."""
        present = self._view.member(self._me.name)
        if present is None or present.is_down:
            return self._me.incarnation
        has_its_store = present.store == self._me.store != ""
        return present.incarnation if has_its_store or present.address == self._me.address else self._me.incarnation

    def _ask(self, now: float) -> Iterator[MemberEffect]:
        wanted = self._wanted()
        if wanted is None:
            self._asked, self._ask_at = None, None
            return
        if wanted != self._asked:
            self._asked, self._ask_at = wanted, now
        leader = self._group.leader
        if self._ask_at is None or now < self._ask_at:
            return
        self._ask_at = now + ASK_AGAIN_S
        if leader == self._me.name:
            self._queue.add(wanted, None, now=now)
        elif leader is not None:
            yield Send(leader, ChangeRequest(wanted))

    # --- the leader -------------------------------------------------------------------------------------------------

    def _requested(self, sender: NodeId, request: ChangeRequest, now: float) -> Sequence[MemberEffect]:
        if self.is_leading:
            self._queue.add(request.change, request.change.member.name, now=now)
            return []
        leader = self._group.leader
        if request.is_forwarded or leader is None or leader == sender:
            return []
        return [Send(leader, ChangeRequest(request.change, is_forwarded=True))]

    def _lead(self, now: float) -> Iterator[MemberEffect]:
        self._accusations.expire(now=now)
        self._accusations.unlinked(self._unlinked, self._me.identity, now=now)
        cut = self._accusations.cut(now=now)
        if cut is not None and cut != self._cut:
            self._confirm_from = now
        self._cut = cut
        expel = None if cut is None else self._expellable(cut.members)
        changes: list[ViewChange] = [*map(Remove, self._downs.removable(now=now))]
        if (changes or expel is not None) and self._is_confirmed(now):
            if expel is not None and self._lease.is_steady(now=now):
                changes.append(expel)
            for change in changes:
                self._queue.add(change, None, now=now, is_urgent=True)
        taken = self._queue.take(now=now)
        if taken is not None:
            yield Proposal(*taken)

    def _is_confirmed(self, now: float) -> bool:
        """Return whether this node has reached the group since it had reason to propose anything; else ask it.

        A leader that is cut off takes all others for crashed: what it would propose must not be decided when it is back
        (see also `MemberLease.is_steady`). And nothing is proposed again before it is known what has become of it.
        """
        if self._lease.read_at >= self._confirm_from:
            return True
        if now >= self._confirm_from:
            self._lease.ask_now(now=now)
        return False

    def _expellable(self, members: Sequence[MemberId]) -> Expel | None:
        """Return what to propose for a cut: all of them, or, if that was refused, those that are no voters."""
        present = [member for member in members if not self._is_down(member)]
        for chosen in (present, [member for member in present if member.name not in self._group.voters]):
            expel = Expel(tuple(chosen), self._view.number)
            if chosen and expel not in self._kept:
                return expel
        return None

    def _is_down(self, identity: MemberId) -> bool:
        found = self._view.find(identity)
        return found is None or found.is_down

    def _decided(self, token: int, outcomes: Sequence[Done | Refused], now: float) -> Iterator[MemberEffect]:
        self._confirm_from = now
        self._lease.ask_now(now=now)
        proposed = self._queue.answered(token, now=now)
        for (change, requester), outcome in zip(proposed.items(), outcomes, strict=False):
            if not isinstance(outcome, Refused):
                continue
            if isinstance(change, Expel):
                self._kept |= {change}
                yield Observe("membership.expel_refused", {"reason": outcome.reason})
            elif isinstance(change, OwnChange):
                refusal = ChangeRefused(change.member.incarnation, outcome.reason)
                if requester is None:
                    yield from self._received(self._me.name, refusal, now)
                else:
                    yield Send(requester, refusal)

    # --- consequences -----------------------------------------------------------------------------------------------

    def _settle(self, now: float) -> Iterator[MemberEffect]:
        """Do what follows from the state and the time."""
        yield from self._alert(now)
        yield from self._ask(now)
        if self.is_leading:
            yield from self._lead(now)
            times = (self._downs.deadline(now=now), self._accusations.deadline(now=now))
            self._lead_at = min((time for time in times if time is not None), default=None)
        if now >= self._lease.ask_at:
            yield Follow(self._lease.ask(now=now), self._view.number)
        yield from self._stand_now(now)

    def _stand_now(self, now: float) -> Iterator[MemberEffect]:
        has_quorum = self._lease.is_valid(now=now)
        if not self._was_in or not (has_quorum or self._has_acted):
            return  # it has not taken part yet
        self._has_acted = True
        situation = (self._view.number, self._accused[1], self._unreachable, has_quorum)
        until = self._watch.deadline
        if situation == self._situation and (until is None or now < until):
            return
        self._situation = situation
        reachable = frozenset(member.identity for member in self._view.present if self._reaches(member))
        stand = self._watch.observe(self._view, reachable, has_quorum=has_quorum, now=now)
        if stand is not self._stand:
            self._stand = stand
            yield StandChanged(stand)

    def _reaches(self, member: Member) -> bool:
        return member.identity not in self._accused[1] and member.name not in self._unreachable


def _send(to: NodeId, message: MemberMessage) -> Send[MemberMessage]:
    return Send(to, message)
