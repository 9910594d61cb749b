"""`MemberWorld`: runs the membership of a simulated cluster under faults, and checks its promises after each step.

Every life of a node is a `ClusterMember` with a clock of its own speed. The group that holds the view is one object
that decides at once (`ViewGroup`), and answers only to nodes that reach a majority of its voters in both directions.
Its leader is one of its voters; another one 0.3 to 1 s after it has crashed or is cut off. Answers may be lost, and
what was proposed may be decided late. On top runs a singleton: the first up member claims it, and it acts while the
lease of its member is valid by that member's own clock.

After each step: views are the group's own and only ascend; a lease ends `lease_s` after the last read that found its
member in, at the latest; nobody may act that is not in the view; at most one singleton acts; no healthy member is taken
out of the view (hosts in `faulty` are not, those of operators' and own wishes neither).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf, sqrt
from typing import Final

from coterie.protocols.algorithm import NodeId, Observe, Received, Send
from coterie.protocols.checking.violation import ViolationContext
from coterie.protocols.membership.members import Incarnation, Member, MemberId, ViewNumber
from coterie.protocols.membership.node.cluster_member import ClusterMember
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
    ViewLearned,
)
from coterie.protocols.membership.node.membership_config import MembershipConfig
from coterie.protocols.membership.node.membership_messages import (
    ChangeRefused,
    ChangeRequest,
    MemberAlerts,
    MemberMessage,
)
from coterie.protocols.membership.partition_policy import KeepMajority, PartitionPolicy, Stand
from coterie.protocols.membership.rings import Rings, rings_of
from coterie.protocols.membership.view import View
from coterie.protocols.membership.view_changes import Down, ViewChange
from coterie.protocols.membership.view_decisions import Done, Refused
from coterie.protocols.simulation.event_heap import EventHeap, stream
from coterie.protocols.simulation.membership.member_checks import SLACK_S, MemberChecks
from coterie.protocols.simulation.membership.member_links import MemberLinks
from coterie.protocols.simulation.membership.simulated_member import MemberClock, SimulatedMember
from coterie.protocols.simulation.membership.view_group import ViewGroup
from coterie.protocols.simulation.membership.world_config import WorldConfig
from coterie.protocols.simulation.run_trace import RunTrace

__all__ = ["MemberWorld"]

LOOK_S: Final = 0.1
"""How often nodes look who leads the group, and whether to claim the singleton."""


@dataclass(slots=True, eq=False)
class _Operation:
    """What a node has asked the group for. `run` does it, and returns the answer."""

    life: SimulatedMember
    run: Callable[[], Callable[[], None]]
    fail: Callable[[], None]
    may_be_late: bool = False
    is_over: bool = False


class MemberWorld:
    """The nodes and their group.

    Args:
        seed: determines the run.
        voters: the names of the nodes that found the cluster; node `n1` is at address `n1:1`.
        config: the settings of membership.
        world: what the world does by itself.
        policy: of partitions.
        clocks: those of some nodes, by name; others are drawn.
        hashed: whether `trace` hashes all records.
    """

    def __init__(
        self,
        seed: str,
        voters: Sequence[str],
        *,
        config: MembershipConfig | None = None,
        world: WorldConfig | None = None,
        policy: PartitionPolicy | None = None,
        clocks: Mapping[str, MemberClock] | None = None,
        hashed: bool = False,
    ) -> None:
        self.context = ViolationContext()
        self.heap = EventHeap(self.context)
        self.trace = RunTrace(self.heap, hashed=hashed)
        self.config = config or MembershipConfig()
        self.group = ViewGroup(tuple(map(NodeId, voters)))
        self._checks = MemberChecks(self.context, self.group, self.config)
        self.links = MemberLinks(stream(seed, "links"))
        self.lives: list[SimulatedMember] = []
        """Every life that has not been crashed, ended or replaced."""
        self.ended: list[SimulatedMember] = []
        """Those that ended by themselves."""
        self.faulty: set[str] = set()
        """The addresses of hosts that had a fault, and of those that their node or an operator took out."""
        self.checks_healthy = True
        """Whether no healthy member may be taken out."""
        self.on_ended: Callable[[SimulatedMember], None] = lambda life: None
        """Called when a life has ended by itself."""
        self.on_view: Callable[[SimulatedMember, View], object] = lambda life, view: None
        """Called when a life has learned a view."""
        self._world = world or WorldConfig()
        self._policy = policy or KeepMajority()
        self._clocks = clocks or {}
        self._rng = stream(seed, "world")
        self._seed = seed
        self._by_address: dict[str, SimulatedMember] = {}
        self._founders = {name: f"{name}:1" for name in self.group.voters}
        self._rings: Rings | None = None
        self._election_at = self._proposals_take_s = 0.0
        self._started = 0
        self._look()

    # --- what the caller does ---------------------------------------------------------------------------------------

    def start(self, name: str, address: str = "") -> SimulatedMember:
        """Start a process with a new incarnation; what runs at this address has crashed."""
        address = address or f"{name}:1"
        present = self._by_address.get(address)
        if present is not None:
            self.crash(present)
        self._started += 1
        rng = stream(self._seed, f"life {self._started}")
        me = Member(NodeId(name), Incarnation(rng.getrandbits(64)), address)
        algorithm = ClusterMember(
            me,
            self.config,
            policy=self._policy,
            roles_by_node={voter: frozenset[str]() for voter in self.group.voters},
            rng=rng,
            rings=self._rings_of,
        )
        life = SimulatedMember(me, algorithm, self._clocks.get(name) or self._clock(rng))
        self.trace.record(me.name, "started", me.identity.incarnation)
        self.lives.append(life)
        self._by_address[address] = life
        self._take(life, [])
        if self._world.has_singleton:
            self.heap.after(LOOK_S * rng.random(), self._run_singleton, life)
        return life

    def crash(self, life: SimulatedMember) -> None:
        """End a process, whatever it does."""
        if life.is_alive:
            self.trace.record(life.name, "crashed")
            self.faulty.add(life.address)
            self._bury(life)

    def pause(self, life: SimulatedMember, pause_s: float) -> None:
        """Let a process stand still: what arrives meanwhile is handled afterwards, all at once."""
        self.trace.record(life.name, "paused", pause_s)
        self.faulty.add(life.address)
        life.resumes_at = max(life.resumes_at, self.now + pause_s)
        self.heap.at(life.resumes_at, self._resume, life)

    def leave(self, life: SimulatedMember) -> None:
        """Let a node wish to leave."""
        self.faulty.add(life.address)
        life.wants_to_leave = True
        self.tell(life, LeaveWanted())

    def take_down(self, identity: MemberId) -> None:
        """Let an operator say that a member is down."""
        member = self.group.view.find(identity)
        if member is not None:
            self.faulty.add(member.address)
            self.trace.record(None, "taken down", identity)
            self.propose([Down(identity)])

    def propose(self, changes: Sequence[ViewChange]) -> tuple[Done | Refused, ...]:
        """Let the group decide changes at once, whoever asks for them; return an outcome for each."""
        return self._decide(changes)

    def delay_proposals(self, delay_s: float) -> None:
        """Let all proposals be decided this much later from now on."""
        self._proposals_take_s = delay_s

    def run(self, until_s: float, *, until: Callable[[], bool] | None = None) -> bool:
        """Run to a time (s), or until `until` is true, which is looked at every 0.1 s; return whether it was."""
        at = self.now
        while until is not None and at < until_s:
            if until():
                return True
            at = min(until_s, at + LOOK_S)
            self.heap.run(until_s=at)
        self.heap.run(until_s=until_s)
        self.heap.now = until_s
        return until is not None and until()

    @property
    def now(self) -> float:
        """Real time, s."""
        return self.heap.now

    def life_of(self, name: str) -> SimulatedMember | None:
        """Return the running process of this name, the one in the view before others."""
        found = [life for life in self.lives if life.name == name]
        return min(found, key=lambda life: self.group.view.find(life.member.identity) is None, default=None)

    def acting(self) -> list[SimulatedMember]:
        """Return the lives whose singleton acts."""
        return [life for life in self.lives if life.acts(self.now)]

    def is_settled(self) -> bool:
        """Return whether every running process is up in the group's view, knows it, and nobody else is in it."""
        view = self.group.view
        alive = {life.member.identity for life in self.lives}
        is_view_right = {member.identity for member in view.up} == alive == {member.identity for member in view}
        return bool(alive) and is_view_right and all(life.known == view.number for life in self.lives)

    def tell(self, life: SimulatedMember, event: MemberInput) -> None:
        """Give a process an event, at once or when it is paused no more."""
        if not life.is_alive:
            return
        if self.now < life.resumes_at:
            life.held.append(event)
        else:
            self._take(life, [event])

    # --- processes --------------------------------------------------------------------------------------------------

    def _clock(self, rng: random.Random) -> MemberClock:
        if not self._world.has_drift:
            return MemberClock()
        fastest = sqrt(1 + self.config.clock_drift)
        return MemberClock(rng.uniform(0.0, 1e5), rng.choice((1 / fastest, fastest, rng.uniform(1 / fastest, fastest))))

    def _rings_of(self, view: View) -> Rings:
        if self._rings is None or self._rings.number != view.number:
            self._rings = rings_of(view, count=self.config.cut.rings)
        return self._rings

    def _bury(self, life: SimulatedMember) -> None:
        life.is_alive, life.epoch = False, None
        self.lives.remove(life)
        if self._by_address.get(life.address) is life:
            del self._by_address[life.address]

    def _resume(self, life: SimulatedMember) -> None:
        if not life.runs(self.now):
            return
        events, life.held = life.held, []
        if self._rng.random() < 0.5:
            self._tick(life, life.armed_at)
        if events and life.is_alive:
            self._take(life, events)
        if life.is_alive:
            self._tick(life, life.armed_at)

    def _tick(self, life: SimulatedMember, armed_at: float) -> None:
        if armed_at != life.armed_at or not life.runs(self.now):
            return
        local = life.clock.local(self.now)
        if local < armed_at - SLACK_S:
            return  # it was armed before a pause, and is armed again
        life.armed_at = inf
        life.handled_at = max(local, armed_at)
        self._carry_out(life, life.algorithm.tick(now=life.handled_at))

    def _take(self, life: SimulatedMember, events: Sequence[MemberInput]) -> None:
        life.handled_at = max(life.handled_at, life.clock.local(self.now))
        self._carry_out(life, life.algorithm.handle(events, now=life.handled_at))

    def _carry_out(self, life: SimulatedMember, effects: Sequence[MemberEffect]) -> None:
        for effect in effects:
            self._effect(life, effect)
        if life.is_alive:
            self._arm(life)
            if self._world.is_checked:
                self._checks.after_step(life, self.now)
                self._checks.one_singleton(self.lives, self.now)

    def _arm(self, life: SimulatedMember) -> None:
        deadline = life.algorithm.deadline
        if deadline is not None and deadline < life.armed_at:
            life.armed_at = deadline
            self.heap.at(life.clock.real(deadline), self._tick, life, deadline)

    def _effect(self, life: SimulatedMember, effect: MemberEffect) -> None:
        match effect:
            case Send(to, message):
                self._send(life, to, message)
            case Follow(token, known):
                self._follow(life, token, ViewNumber(known))
            case Proposal(token, changes):
                self.trace.record(life.name, "proposes", changes)
                self._propose(life, effect)
            case ViewLearned(view):
                self._checks.view_learned(life, view)
                self.on_view(life, view)
            case StandChanged(stand):
                self.trace.record(life.name, "stand", stand.value)
                if stand is not Stand.ACT:
                    life.epoch = None
            case Ended(reason):
                self.trace.record(life.name, "ended", reason)
                life.ended = effect
                self._bury(life)
                self.ended.append(life)
                self.on_ended(life)
            case Observe(event, facts):
                self.trace.record(life.name, event, dict(facts))

    # --- messages ---------------------------------------------------------------------------------------------------

    def _send(self, life: SimulatedMember, to: NodeId, message: MemberMessage) -> None:
        address = self._address(life, to, message)
        if address is None:
            return
        delay_s = self.links.delay_s(life.address, address, self.now)
        if delay_s is not None:
            self.heap.after(delay_s, self._arrive, life, address, message)

    def _address(self, life: SimulatedMember, to: NodeId, message: MemberMessage) -> str | None:
        """Return where a process reaches a node.

        Two processes may have one name: nodes of the group are where they are founded, and one that has asked for
        something is where it asked from; all others are where the view says.
        """
        if isinstance(message, ChangeRequest | MemberAlerts):
            return self._founders.get(to)
        member = life.algorithm.view.member(to)
        known = None if member is None else member.address
        return life.addresses.get(to, known) if isinstance(message, ChangeRefused) else known

    def _arrive(self, sender: SimulatedMember, address: str, message: MemberMessage) -> None:
        life = self._by_address.get(address)
        if life is None:
            return
        if isinstance(message, ChangeRequest):
            life.addresses[sender.name] = sender.address
        self.tell(life, Received(sender.name, message))

    # --- the group --------------------------------------------------------------------------------------------------

    def reaches_group(self, address: str) -> bool:
        """Return whether a host reaches a majority of the voters in both directions."""
        now, passes = self.now, self.links.passes
        reached = 0
        for voter in self._founders.values():
            life = self._by_address.get(voter)
            if life is not None and life.runs(now) and passes(address, voter, now) and passes(voter, address, now):
                reached += 1
        return 2 * reached > len(self._founders)

    def _look(self) -> None:
        """Elect a leader if there is none that works, and tell the nodes."""
        self.heap.after(LOOK_S, self._look)
        group = self.group
        if group.leader is None:
            if self.now >= self._election_at:
                fit = [name for name in group.voters if self._can_lead(name)]
                group.leader = self._rng.choice(fit) if fit else None
                self.trace.record(None, "leader", group.leader)
        elif not self._can_lead(group.leader):
            group.leader, self._election_at = None, self.now + self._rng.uniform(0.3, 1.0)
        for life in self.lives if group.leader is not None else ():
            if life.told is None or life.told.leader != group.leader:
                self._tell_leader(life, group.leader)

    def _tell_leader(self, life: SimulatedMember, leader: NodeId | None) -> None:
        if self._rng.random() < 0.5 and self.reaches_group(life.address):
            life.told = GroupIs(leader, self.group.voters)
            self.tell(life, life.told)

    def _can_lead(self, name: NodeId) -> bool:
        life = self._by_address.get(self._founders[name])
        return life is not None and life.runs(self.now) and self.reaches_group(life.address)

    def _follow(self, life: SimulatedMember, token: int, known: ViewNumber) -> None:
        def run() -> Callable[[], None]:
            view = self.group.newer_than(known)
            if self.group.view.find(life.member.identity) is not None:
                life.read_at = self.now
            return partial(self.tell, life, FollowAnswered(token, view))

        self._operate(_Operation(life, run, partial(self.tell, life, FollowFailed(token))))

    def _propose(self, life: SimulatedMember, proposal: Proposal) -> None:
        def run() -> Callable[[], None]:
            outcomes = self._decide(proposal.changes)
            return partial(self.tell, life, ProposalAnswered(proposal.token, outcomes))

        failed = ProposalFailed(proposal.token, "there was no answer")
        self._operate(_Operation(life, run, partial(self.tell, life, failed), may_be_late=True))

    def _operate(self, operation: _Operation) -> None:
        world, rng = self._world, self._rng
        self.heap.after(world.timeout_s, self._give_up, operation)
        delay_s = 0.0005 + 0.002 * rng.random()
        if rng.random() < 0.02:
            delay_s += world.timeout_s * rng.random()
        if operation.may_be_late and world.late_proposal and rng.random() < world.late_proposal:
            delay_s += world.late_s * rng.random()
        if operation.may_be_late:
            delay_s += self._proposals_take_s
        self.heap.after(delay_s, self._at_the_group, operation)

    def _at_the_group(self, operation: _Operation) -> None:
        address, world = operation.life.address, self._world
        if self.group.leader is None or not self.reaches_group(address):
            return
        answer = operation.run()
        if not world.answer_loss or self._rng.random() >= world.answer_loss:
            self.heap.after(0.0005 + 0.002 * self._rng.random(), self._answer, operation, answer)

    def _answer(self, operation: _Operation, answer: Callable[[], None]) -> None:
        if not operation.is_over and self.reaches_group(operation.life.address):
            operation.is_over = True
            answer()

    def _give_up(self, operation: _Operation) -> None:
        if not operation.is_over:
            operation.is_over = True
            operation.fail()

    def _decide(self, changes: Sequence[ViewChange]) -> tuple[Done | Refused, ...]:
        """Let the group decide, and check the view that it makes."""
        before = self.group.view
        outcomes = self.group.propose(changes)
        if self.group.view.number == before.number:
            return outcomes
        self.trace.record(None, "view", [(m.name, m.state.value) for m in self.group.view])
        if self.checks_healthy:
            self._checks.healthy_stay(before, self.faulty)
        self._checks.only_members_act(self.lives, self.now)
        return outcomes

    # --- the singleton ----------------------------------------------------------------------------------------------

    def _run_singleton(self, life: SimulatedMember) -> None:
        """Claim it, or hand it over, as the driver of each node does from time to time."""
        if not life.is_alive:
            return
        self.heap.after(LOOK_S, self._run_singleton, life)
        if not life.runs(self.now):
            return
        if life.would_claim(self.now):
            self._claim(life)
        if life.hands_over_at == inf and life.is_leaving:
            life.hands_over_at = self.now + self._rng.uniform(0.0, 1.0)
        if -inf < life.hands_over_at <= self.now:
            life.epoch, life.hands_over_at = None, -inf
            self.tell(life, HandedOver())

    def _claim(self, life: SimulatedMember) -> None:
        life.is_claiming = True

        def run() -> Callable[[], None]:
            return partial(self._claimed, life, self.group.claim(life.member.identity))

        self._operate(_Operation(life, run, partial(self._claimed, life, None)))

    def _claimed(self, life: SimulatedMember, epoch: int | None) -> None:
        life.is_claiming = False
        if epoch is not None and not life.wants_to_leave:
            life.epoch = epoch
            self.trace.record(life.name, "runs the singleton", epoch)
            self._checks.one_singleton(self.lives, self.now)
