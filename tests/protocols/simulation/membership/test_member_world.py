"""The world of members: it checks what it says, many nodes start quickly, and crashes are always noticed."""

from __future__ import annotations

import pytest

from coterie.protocols.checking.violation import Violation
from coterie.protocols.membership.view_changes import Down, Remove
from coterie.protocols.simulation.membership.member_links import HostLoss
from coterie.protocols.simulation.membership.member_world import MemberWorld
from coterie.protocols.simulation.membership.node_trials import settled_world
from coterie.protocols.simulation.membership.simulated_member import SimulatedMember


def is_out(world: MemberWorld, life: SimulatedMember) -> bool:
    found = world.group.view.find(life.member.identity)
    return found is None or found.is_down


def member(world: MemberWorld, name: str) -> SimulatedMember:
    found = world.life_of(name)
    assert found is not None
    return found


def test_a_hundred_nodes_that_start_within_three_seconds_are_up_soon_after_few_views() -> None:
    world = MemberWorld("hundred", ["n1", "n2", "n3"])
    for number in range(100):
        world.heap.at(0.03 * number, world.start, f"n{number + 1}")

    assert world.run(30.0, until=world.is_settled)
    assert len(world.group.view.up) == 100
    assert world.group.view.number <= 10


@pytest.mark.parametrize("size", [3, 5, 12, 40])
def test_a_crash_is_noticed_decided_and_removed_and_the_singleton_runs_elsewhere(size: int) -> None:
    world = settled_world(size)
    life = world.acting()[0]
    world.crash(life)
    began_s = world.now

    assert world.run(began_s + 12.0, until=lambda: is_out(world, life))
    assert world.run(began_s + 16.0, until=lambda: len(world.acting()) == 1 and world.is_settled())


@pytest.mark.parametrize("interval_s", [0.5, 1.0, 2.0, 4.0])
def test_a_crash_is_noticed_while_others_join_one_after_the_other(interval_s: float) -> None:
    """Rings that depended on the number of the view made each observer begin anew: no crash was noticed for minutes."""
    world = settled_world(30)
    life = member(world, "n30")
    world.crash(life)
    began_s = world.now
    for number in range(60):
        world.heap.at(began_s + interval_s * number, world.start, f"x{number}")

    assert world.run(began_s + 9.0, until=lambda: is_out(world, life))


@pytest.mark.parametrize("crashed", [3, 8, 15])
def test_many_that_crash_together_are_out_in_a_few_views(crashed: int) -> None:
    world = settled_world(40)
    lives = [member(world, f"n{number}") for number in range(20, 20 + crashed)]
    number = world.group.view.number
    for life in lives:
        world.crash(life)

    assert world.run(world.now + 15.0, until=lambda: all(is_out(world, life) for life in lives))
    assert world.group.view.number - number <= 4


def test_a_member_that_hears_nobody_goes_alone_and_says_that_it_ended() -> None:
    world = settled_world(7)
    life = member(world, "n7")
    world.faulty.add(life.address)
    world.links.losses[life.address] = HostLoss(ingress=1.0)
    assert world.run(world.now + 15.0, until=lambda: is_out(world, life))
    world.links.heal()

    assert world.run(world.now + 3.0, until=lambda: life.ended is not None)
    assert life.ended is not None
    assert not life.ended.is_wanted


@pytest.mark.parametrize("pause_s", [0.4, 1.0, 2.0])
def test_a_short_pause_expels_nobody(pause_s: float) -> None:
    world = settled_world(7)
    for life in [*world.lives]:
        world.pause(life, pause_s)
    world.checks_healthy, world.faulty = True, set()
    world.run(world.now + 20.0)

    assert world.is_settled()


def test_a_view_that_takes_out_a_healthy_member_is_seen() -> None:
    world = settled_world(3)
    with pytest.raises(Violation, match=r"membership\.healthy_stays"):
        world.propose([Down(member(world, "n3").member.identity)])


def test_a_member_that_is_removed_while_it_may_act_is_seen() -> None:
    world = settled_world(5)
    world.take_down(member(world, "n4").member.identity)
    with pytest.raises(Violation, match=r"membership\.only_members_act"):
        world.propose([Remove(member(world, "n4").member.identity)])


def test_the_same_seed_gives_the_same_run() -> None:
    digests = set()
    for _ in range(2):
        world = MemberWorld("again", ["n1", "n2", "n3"], hashed=True)
        for number in range(1, 6):
            world.start(f"n{number}")
        world.run(9.0)
        digests.add(world.trace.digest())
    assert len(digests) == 1
