"""Node trials: runs of cluster members in which one broken promise of a single node would show.

Each raises `Violation` with an invariant `membership.…` if it does. Most are schedules of a `MemberWorld`, which checks
its invariants after each step; some drive one `ClusterMember` alone.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from math import sqrt
from typing import Final

from coterie.protocols.algorithm import NodeId, Received, Send
from coterie.protocols.checking.violation import Violation
from coterie.protocols.membership.members import MemberId, ViewNumber
from coterie.protocols.membership.node.accusations import Accusations
from coterie.protocols.membership.node.cluster_member import ClusterMember
from coterie.protocols.membership.node.member_effects import Follow, FollowAnswered, GroupIs, MemberEffect
from coterie.protocols.membership.node.membership_config import MembershipConfig
from coterie.protocols.membership.node.membership_messages import (
    ChangeRequest,
    MemberAlerts,
    MemberProbe,
    MemberProbeReply,
    ViewHint,
)
from coterie.protocols.membership.partition_policy import KeepMajority
from coterie.protocols.membership.rings import rings_of
from coterie.protocols.membership.view_changes import Join
from coterie.protocols.simulation.directed.view_trials import view_of
from coterie.protocols.simulation.membership.member_world import MemberWorld
from coterie.protocols.simulation.membership.simulated_member import MemberClock, SimulatedMember
from coterie.protocols.simulation.membership.world_config import WorldConfig

__all__ = [
    "alerts_of_the_view_before",
    "alerts_taken_back",
    "cut_off_holder",
    "cut_off_leader",
    "expel_decided_late",
    "holder_taken_down",
    "impostor",
    "join_decided_late",
    "leaving_holder",
    "overloaded_observer",
    "replies_of_another_life",
    "settled_world",
    "views_out_of_order",
]

VOTERS: Final = ("n1", "n2", "n3")
CONFIG: Final = MembershipConfig()


def settled_world(
    size: int, *, seed: int = 0, world: WorldConfig | None = None, slow: str = "", fast: Sequence[str] = ()
) -> MemberWorld:
    """Return a world of `size` members that are up: n1 … n3 hold the view, and one runs the singleton.

    Args:
        size: how many.
        seed: of the run.
        world: what the world does by itself.
        slow: the node whose clock goes as slowly as `clock_drift` allows.
        fast: those whose clocks go as fast as it allows.
    """
    fastest = sqrt(1 + CONFIG.clock_drift)
    clocks = {slow: MemberClock(5.0, 1 / fastest), **{name: MemberClock(7.0, fastest) for name in fast}}
    made = MemberWorld(f"trial/{seed}", VOTERS, world=world, clocks=clocks)
    for number in range(1, size + 1):
        made.start(f"n{number}")
    made.run(60.0, until=lambda: made.is_settled() and len(made.acting()) == 1 and made.now > 12.0)
    return made


def _holder(world: MemberWorld) -> SimulatedMember:
    return world.acting()[0]


def _cut_off(world: MemberWorld, *lives: SimulatedMember) -> None:
    side = {life.address for life in lives}
    world.faulty |= side
    world.links.partition(side)


def _is_down(world: MemberWorld, life: SimulatedMember) -> bool:
    found = world.group.view.find(life.member.identity)
    return found is None or found.is_down


def cut_off_holder() -> None:
    """Cut off the member that runs the singleton, until another one has run it for long.

    Raises:
        Violation: it goes on acting for too long, or two act.
    """
    world = settled_world(5)
    _cut_off(world, _holder(world))
    world.run(world.now + 20.0)
    _require(len(world.acting()) == 1, "membership.one_singleton", "nobody runs the singleton")


def holder_taken_down() -> None:
    """Take the holder down right after it has renewed its lease, and cut it off; its clock is slow, the leader's fast.

    Raises:
        Violation: another one acts before its lease has ended.
    """
    first = settled_world(5)
    holder = _holder(first).name
    for seed in range(5):
        world = settled_world(
            5, seed=0, slow=holder, fast=[name for name in ("n1", "n2", "n3", "n4") if name != holder]
        )
        life = _holder(world)
        read_at = life.read_at
        world.run(world.now + 0.1 * seed)
        world.run(world.now + 5.0, until=lambda: life.read_at > read_at)  # noqa: B023 (it is called in this round)
        _cut_off(world, life)
        world.take_down(life.member.identity)
        for other in [*world.lives]:
            hint = ViewHint(world.group.view.number)
            world.tell(other, Received(NodeId("n9"), hint))
        world.run(world.now + 6.0)


def expel_decided_late() -> None:
    """Let the holder be expelled by a proposal that is decided seconds later; till then it reaches the group.

    Raises:
        Violation: it is removed before its lease has ended.
    """
    for seed in range(6):
        world = settled_world(6, seed=seed)
        life = _holder(world)
        leader = world.group.leader
        heard = [other for other in world.lives if other.name in VOTERS and other.name not in (leader, life.name)][:2]
        world.faulty.add(life.address)
        for other in world.lives:
            if other is not life and other not in heard:
                world.links.cuts |= {(life.address, other.address), (other.address, life.address)}
        world.delay_proposals(4.0)
        world.run(world.now + 25.0, until=lambda: _is_down(world, life))  # noqa: B023 (it is called in this round)
        _cut_off(world, life)
        world.delay_proposals(0.0)
        world.run(world.now + 8.0)


def leaving_holder() -> None:
    """Let the holder leave, and the group be slow: between its hand-over and its end it renews its lease again.

    Raises:
        Violation: it may act after that.
    """
    world = settled_world(5)
    life = next(it for it in world.lives if it.name == "n5")
    world.delay_proposals(1.0)
    world.leave(life)
    world.run(world.now + 12.0)


def cut_off_leader() -> None:
    """Cut off the leader and another node for 9 s: to the leader it seems that all others have crashed.

    Raises:
        Violation: it expels healthy members when it is back.
    """
    for number in range(12):
        world = settled_world(5)
        leader = world.life_of(world.group.leader or "")
        assert leader is not None
        _cut_off(world, leader, next(it for it in world.lives if it.name == "n5"))
        world.run(world.now + 8.0 + 0.07 * number)
        world.links.heal()
        world.run(world.now + 10.0)


def join_decided_late() -> None:
    """Let a node crash right after it has asked to join; its request is decided when its next life is up already.

    Raises:
        Violation: the next life is taken out of the view.
    """
    world = settled_world(5)
    world.crash(next(it for it in world.lives if it.name == "n5"))
    first = world.start("n5")
    requests: list[Join] = []
    for number in range(1, 6):
        if requests:
            break
        view = world.group.view
        effects = first.algorithm.handle(
            [GroupIs(NodeId("n1"), tuple(map(NodeId, VOTERS))), FollowAnswered(number, view)],
            now=first.clock.local(0.0),
        )
        asked = (effect.message for effect in effects if isinstance(effect, Send))
        requests = [it.change for it in asked if isinstance(it, ChangeRequest) and isinstance(it.change, Join)]
    _require(bool(requests), "program", "the node does not ask to join")
    world.start("n5")
    world.run(world.now + 20.0, until=world.is_settled)
    world.faulty.discard("n5:1")
    world.propose(requests)


def impostor() -> None:
    """Start a second process under the name of a member that is up, elsewhere.

    Raises:
        Violation: it takes the member's place.
    """
    world = settled_world(5)
    world.start("n4", "elsewhere:1")
    world.run(world.now + 10.0)


# --- one member alone


def replies_of_another_life() -> None:
    """Let another life answer all probes of a member.

    Raises:
        Violation: `membership.life_is_identity`, if the member does not accuse the life that does not answer.
    """
    lone = _Lone(3)
    for number in range(40):
        for to, probe in lone.probes(0.25 * number):
            if to == "n002":
                lone.hear(to, MemberProbeReply(type(probe.incarnation)(7), probe.number))
            else:
                lone.hear(to, MemberProbeReply(probe.incarnation, probe.number))
    accused = [name for name, _ in lone.accused]
    _require(accused == ["n002"], "membership.life_is_identity", f"{accused} are accused")


def overloaded_observer() -> None:
    """Let each round of probes begin 0.3 s late, with the replies to the last one unread.

    Raises:
        Violation: `membership.late_rounds`, if anybody is accused.
    """
    lone = _Lone(3)
    unread: list[tuple[NodeId, MemberProbe]] = []
    for number in range(40):
        probes = lone.probes(0.81 * number)
        for to, probe in unread:
            lone.hear(to, MemberProbeReply(probe.incarnation, probe.number))
        unread = probes
    _require(not lone.accused, "membership.late_rounds", f"{lone.accused} are accused")


def views_out_of_order() -> None:
    """Answer two questions in the other order.

    Raises:
        Violation: `membership.views_ascend`, if the member goes back to the older view.
    """
    lone = _Lone(3)
    newer = view_of(5)
    newer = replace(newer, number=ViewNumber(newer.number + 7))
    older = replace(view_of(4), number=ViewNumber(newer.number - 1))
    first, second = lone.follow(1.0), lone.follow(2.0)
    for token, view in ((second, newer), (first, older)):
        lone.member.handle([FollowAnswered(token, view)], now=2.1)
    known = lone.member.view.number
    _require(known == newer.number, "membership.views_ascend", f"the member is at view {known}, not {newer.number}")


def alerts_of_the_view_before() -> None:
    """Deliver the alerts of all observers of a member after the view has changed.

    Raises:
        Violation: `membership.alerts_of_this_view`, if the member is to be expelled.
    """
    view, subject = view_of(5), view_of(5).members[4].identity
    heard = Accusations(view, CONFIG.cut, rings_of(view))
    for observer in view.members[:4]:
        heard.take(MemberAlerts(ViewNumber(view.number - 1), observer.identity, (subject,)), now=1.0)
    _require(heard.cut(now=100.0) is None, "membership.alerts_of_this_view", f"{subject} is expelled")


def alerts_taken_back() -> None:
    """Let each observer of a member accuse it for a while, one after the other.

    Raises:
        Violation: `membership.alerts_withdrawn`, if the member is to be expelled.
    """
    view, subject = view_of(12), view_of(12).members[4].identity
    heard = Accusations(view, CONFIG.cut, rings_of(view))
    for at, observer in enumerate(it.identity for it in view if it.identity != subject):
        heard.take(MemberAlerts(view.number, observer, (subject,)), now=float(at))
        heard.take(MemberAlerts(view.number, observer, ()), now=at + 0.5)
        _require(heard.cut(now=at + 0.9) is None, "membership.alerts_withdrawn", f"{subject} is expelled")


class _Lone:
    """The first member of a view; the others are this program."""

    def __init__(self, size: int) -> None:
        view = view_of(size)
        self.member = ClusterMember(
            view.members[0],
            CONFIG,
            policy=KeepMajority(),
            roles_by_node={member.name: frozenset[str]() for member in view},
            rng=random.Random(1),
        )
        self._now = 0.0
        self.accused: tuple[MemberId, ...] = ()
        self._take(self.member.handle([GroupIs(NodeId("n002"), tuple(it.name for it in view))], now=0.0))
        self._take(self.member.handle([FollowAnswered(1, view)], now=0.0))

    def probes(self, now: float) -> list[tuple[NodeId, MemberProbe]]:
        """Let time pass; return the probes that are sent."""
        self._now = now
        return self._take(self.member.tick(now=now))

    def hear(self, sender: NodeId, message: MemberProbeReply) -> None:
        """Deliver a message at the time of the last round."""
        self._take(self.member.handle([Received(sender, message)], now=self._now))

    def follow(self, now: float) -> int:
        """Let time pass until the member asks for the view; return the token."""
        effects = self.member.tick(now=now)
        return next(effect.token for effect in effects if isinstance(effect, Follow))

    def _take(self, effects: Sequence[MemberEffect]) -> list[tuple[NodeId, MemberProbe]]:
        probes = []
        for effect in effects:
            if isinstance(effect, Send):
                if isinstance(effect.message, MemberProbe):
                    probes.append((effect.to, effect.message))
                elif isinstance(effect.message, MemberAlerts):
                    self.accused = effect.message.accused
        return probes


def _require(holds: bool, invariant: str, detail: str) -> None:
    if not holds:
        raise Violation(invariant, detail, node=None, step=0, time_s=0.0)
