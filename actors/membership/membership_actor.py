"""`MembershipActor`: runs a node's part in the membership: joins, follows the view, holds the lease, finds who crashed.

members ── MembershipLetter ──▶┐                               ┌─▶ MembershipLetter ▶ members
timer ──── Tick ──────────────▶│ Driver ─ ClusterMember (pure) │─▶ Follow, ChangeView ▶ group `membership`
links ──── up, down ──────────▶┘                               └─▶ ClusterMembership ▶ subscribers, health, addresses

A life that the cluster has decided out ends its system: what it held belongs to others now.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any, Final, assert_never

from coterie.actors.driver import Driver, Tick
from coterie.actors.groups.group_client import GroupClient
from coterie.actors.membership.cluster_nodes import Members
from coterie.actors.membership.member_addresses import MemberAddresses
from coterie.actors.membership.member_health import MemberHealth
from coterie.actors.membership.membership_feed import MembershipFeed
from coterie.actors.membership.membership_records import MembershipLetter, Registry
from coterie.actors.membership.membership_requests import LetLeave, ReportView, TakeDown, ViewReport
from coterie.actors.membership.view_machine import ChangeView
from coterie.actors.membership.view_machine import Follow as FollowQuery
from coterie.errors import CoterieError, RemovedFromView
from coterie.protocols.algorithm import NodeId, Received
from coterie.protocols.membership.member_events import MemberRemoved, changes_between
from coterie.protocols.membership.members import MembershipState, ViewNumber
from coterie.protocols.membership.node.cluster_member import ClusterMember
from coterie.protocols.membership.node.member_effects import (
    Ended,
    Follow,
    FollowAnswered,
    FollowFailed,
    GroupIs,
    HandedOver,
    LeaveWanted,
    MemberInput,
    Proposal,
    ProposalAnswered,
    ProposalFailed,
    StandChanged,
    Unreachable,
    ViewLearned,
)
from coterie.protocols.membership.node.membership_messages import ViewHint
from coterie.protocols.membership.partition_policy import Stand
from coterie.protocols.membership.view import View
from coterie.protocols.membership.view_changes import Down, Leave
from coterie.protocols.membership.view_decisions import Done, Refused
from coterie.runtime.actor import Actor
from coterie.runtime.refs import Address
from coterie.runtime.remote.link_events import LinkEvent

__all__ = ["MembershipActor"]

PROPOSAL_S: Final = 4.0
"""For so long a proposal is tried: the pure algorithm takes it for failed after 5 s."""

VOTERS_S: Final = 2.0
OPERATOR_S: Final = 5.0

_SAID: Final = ("membership.change_refused", "membership.expel_refused", "membership.proposal_failed")
"""The events of the algorithm that are warnings."""


class MembershipActor(Actor[MembershipLetter | ReportView | TakeDown | LetLeave | Tick]):
    """One node's part in the membership. Each node of the cluster runs one at the same path.

    Args:
        feed: what the node's `ClusterMembership` reads, which this actor keeps current.
        members: the declaration.
        group: the group that holds the view.
        addresses: where the members are reached: it follows the view.
        health: is told which members are not heard, and which are down; None: another detector does that.
        singletons: the names of those that the topology declares, for reports.
    """

    def __init__(
        self,
        feed: MembershipFeed,
        members: Members,
        group: GroupClient[Any],
        addresses: MemberAddresses,
        health: MemberHealth | None,
        singletons: tuple[str, ...] = (),
    ) -> None:
        self._feed = feed
        self._members = members
        self._group = group
        self._addresses = addresses
        self._health = health
        self._singletons = singletons
        self._driver: Driver[Any, Any] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._told_group: GroupIs | None = None
        self._voters = tuple(map(NodeId, members.founders))
        self._ignore_links: Callable[[], None] = lambda: None

    # --- life -------------------------------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Begin: with nothing known, so that the view is read first."""
        system, members = self.context.system, self._members
        self._me = self._feed.me
        member: Any = ClusterMember(
            self._me,
            members.config,
            policy=members.policy,
            roles_by_node={NodeId(node): members.roles_of(node) for node in members.founders},
            rng=random.Random(self.context.random.getrandbits(64)),
        )
        self._member: ClusterMember = member
        self._address_by_node: dict[str, Address] = {}
        self._is_handing_over = False
        self._published: object = None
        self._newer_registry: Registry | None = None
        self._missing: frozenset[str] | None = None
        self._driver = Driver(member, self.context, self)
        self._ignore_links = system.on_link(self._link_changed)
        self._group.on_leader(lambda known: self._note_group(known.leader))
        self._feed.begin_to_leave = lambda: self._wake_with(LeaveWanted())
        self._addresses.start(self._run)
        self._note_group()
        self.context.wake()

    def on_restart(self, error: BaseException) -> None:
        """Begin anew."""
        self.on_start()

    def on_stop(self) -> None:
        """End this life."""
        self._ignore_links()
        if self._driver is not None:
            self._driver.close()
        for task in self._tasks:
            task.cancel()

    # --- incoming messages ------------------------------------------------------------------------------------------

    def receive(
        self, msg: MembershipLetter | ReportView | TakeDown | LetLeave | Tick, /
    ) -> ViewReport | Done | Refused | None:
        """Turn each message into an event of the batch, or answer it."""
        match msg:
            case MembershipLetter():
                self._running.feed(Received(NodeId(msg.sender), msg.body))
            case Tick():
                self._running.ticked()
            case ReportView():
                return self._report()
            case TakeDown(member):
                self.context.reply_from(msg, self._change(Down(member)))
            case LetLeave(member):
                self.context.reply_from(msg, self._change(Leave(member)))
            case _:
                assert_never(msg)
        return None

    def on_visit_end(self) -> None:
        """Hand the messages of this visit to the algorithm as one batch."""
        self._running.flush()
        self._publish()

    @property
    def _running(self) -> Driver[Any, Any]:
        if self._driver is None:
            raise RuntimeError("the membership has not started")
        return self._driver

    def _wake_with(self, event: MemberInput) -> None:
        self._running.wake_with(event)

    def _report(self) -> ViewReport:
        known = self._feed
        left_s = max(0.0, known.lease_ends_at - self.context.clock.monotonic()) if known.stand is Stand.ACT else 0.0
        return ViewReport(
            self._me.name,
            self._me.incarnation,
            known.view,
            known.registry,
            known.leader,
            known.stand.value,
            left_s,
            known.unheard,
            known.refusal,
            self._singletons,
        )

    async def _change(self, change: Down | Leave) -> Done | Refused:
        """Have an operator's change decided, against the voters that the group has now."""
        ends_at = self.context.clock.monotonic() + OPERATOR_S
        await self._ask_voters()
        command = ChangeView((change,), self._voters)
        answer = await self._group.execute(command, timeout_s=ends_at - self.context.clock.monotonic())
        outcome: Done | Refused = answer.outcomes[0]
        self.context.log.warning("membership.operator_change", change=str(change), outcome=str(outcome))
        self._wake_with(Received(self._me.name, ViewHint(ViewNumber(answer.view_number))))
        return outcome

    # --- effects ----------------------------------------------------------------------------------------------------

    def persist(self, write: object, done: Callable[[], None]) -> None:
        """Refuse a write: the group keeps the view."""
        raise TypeError(f"membership keeps nothing itself, but asked to write {write!r:.80}")

    def send(self, to: str, message: Any) -> None:
        """Send a message to a member; without a link it is lost."""
        if self.context.system.remoting.association(to) is None:
            return
        address = self._address_by_node.get(to)
        if address is None:
            address = self._address_by_node[to] = Address(to, self.context.self_ref.path)
        self.context.system.at(address).tell(MembershipLetter(self._me.name, message))

    def perform(self, effect: Follow | Proposal | ViewLearned | StandChanged | Ended) -> None:
        """Carry out what is particular to membership."""
        match effect:
            case Follow():
                self._run(self._follow(effect))
            case Proposal():
                self._run(self._propose(effect))
            case ViewLearned(view):
                self._view_learned(view)
            case StandChanged(stand):
                self._stand_changed(stand)
            case Ended():
                self._ended(effect)
            case _:
                assert_never(effect)

    def observed(self, event: str, facts: Any) -> None:
        """Log an event of the algorithm."""
        say = self.context.log.warning if event in _SAID else self.context.log.debug
        say(event, **facts)

    # --- the group --------------------------------------------------------------------------------------------------

    async def _follow(self, effect: Follow) -> None:
        known = self._feed.registry
        try:
            query = FollowQuery(effect.known, known.revision)
            answer = await self._group.read(query, timeout_s=self._members.config.lease_s)
        except CoterieError as error:
            self.context.log.debug("membership.follow_failed", error=str(error))
            self._wake_with(FollowFailed(effect.token))
        else:
            if answer.number < effect.known or answer.revision < known.revision:
                self._went_back(effect, answer.number)
                return
            if answer.registry is not None and answer.registry.revision > self._feed.registry.revision:
                self._newer_registry = answer.registry  # published with the view that was read with it
            self._wake_with(FollowAnswered(effect.token, answer.view))
        self._note_group()

    def _went_back(self, effect: Follow, number: int) -> None:
        """Refuse a view that is older than the known one: the group was restored from a backup, or is another one."""
        reason = f"the group 'membership' has view {number}, after view {effect.known} was known: was it restored?"
        self._ended(Ended(reason, False))

    async def _propose(self, effect: Proposal) -> None:
        try:
            answer = await self._group.execute(ChangeView(effect.changes, self._voters), timeout_s=PROPOSAL_S)
        except CoterieError as error:
            self._wake_with(ProposalFailed(effect.token, str(error)))
        else:
            self._wake_with(ProposalAnswered(effect.token, answer.outcomes))

    def _note_group(self, leader: str | None = None) -> None:
        """Tell the algorithm who leads the group, if that has changed; then find out who its voters are.

        A leader that is not heard stays the presumed one until another one is: only then is there anybody else to ask.
        """
        leader = leader or self._group.leader or self._feed.leader
        told = GroupIs(None if leader is None else NodeId(leader), self._voters)
        if told == self._told_group:
            return
        is_new_leader = self._told_group is None or told.leader != self._told_group.leader
        self._told_group = told
        self._feed.leader = leader
        self._wake_with(told)
        if leader is not None and is_new_leader:
            self._run(self._ask_voters())

    async def _ask_voters(self) -> None:
        try:
            members = await self._group.members(timeout_s=VOTERS_S)
        except CoterieError:
            return  # the founders, or the voters that were known last
        if members.voters and members.leader is not None:
            self._voters = tuple(map(NodeId, members.voters))
            self._note_group()

    # --- what follows from a view -----------------------------------------------------------------------------------

    def _view_learned(self, view: View) -> None:
        known = self._feed
        before = known.view
        known.learn(view)
        self._addresses.learn(view)
        if self._health is not None:
            self._health.learn(view)
        states = {
            event.member.identity: "gone" if isinstance(event, MemberRemoved) else event.member.state.value
            for event in changes_between(before, view)
        }
        for changed, state in states.items():
            self.context.log.info("membership.member_changed", member=changed.name, state=state, view=view.number)
        self._note_links()
        own = view.find(self._me.identity)
        if own is not None and own.state is MembershipState.LEAVING and not self._is_handing_over:
            self._is_handing_over = True
            self._run(self._hand_over())

    async def _hand_over(self) -> None:
        await self._feed.hand_over()
        self._wake_with(HandedOver())

    def _stand_changed(self, stand: Stand) -> None:
        log = self.context.log
        say = log.info if stand is Stand.ACT else log.warning
        say("membership.stand_changed", stand=stand.value, view=self._feed.view.number)

    def _ended(self, effect: Ended) -> None:
        self._feed.end(effect.reason)
        if effect.is_wanted:
            self.context.log.info("membership.left", reason=effect.reason)
            return
        self.context.log.error("membership.removed", reason=effect.reason)
        self.context.system.fail(RemovedFromView(self._me.name, effect.reason))

    def _publish(self) -> None:
        """Let the handle show what the algorithm knows."""
        known, member = self._feed, self._member
        if known.ended is not None:
            return
        if self._newer_registry is not None:
            known.registry, self._newer_registry = self._newer_registry, None
        revision = known.registry.revision
        state = (member.stand, member.lease_ends_at, member.refusal, member.view.number, revision)
        known.stand, known.lease_ends_at, known.refusal = member.stand, member.lease_ends_at, member.refusal
        known.unheard = member.unheard
        if self._health is not None:
            self._health.unheard(member.unheard)
        if state != self._published:
            self._published = state
            known.changed()
        if member.stand is Stand.END:
            self._ended(Ended("its side of a partition has no quorum, and its policy ends it", False))

    # --- links ------------------------------------------------------------------------------------------------------

    def _link_changed(self, event: LinkEvent) -> None:
        self._note_links()
        if event.kind == "up":
            self._note_group()

    def _note_links(self) -> None:
        """Tell the algorithm which members have no link."""
        linked = {*self.context.system.remoting.linked_names, self._me.name}
        missing = frozenset[NodeId](member.name for member in self._feed.view if member.name not in linked)
        if missing != self._missing:
            self._missing = missing
            self._wake_with(Unreachable(missing))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = self.context.system.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
