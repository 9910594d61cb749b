"""Faults happen when, where and as often as the plan says, and count only when they hit something."""

from __future__ import annotations

import random

from coterie.protocols.checking.violation import Bench
from coterie.protocols.seam import NodeId
from coterie.protocols.simulation.network import Weather
from coterie.protocols.simulation.node import AnyAlgorithm
from coterie.protocols.simulation.plan import (
    Aim,
    Crash,
    Fault,
    Outage,
    Partition,
    Pause,
    Plan,
    Shape,
    SlowDisk,
    Storm,
)
from coterie.protocols.simulation.world import World

MEMBERS = tuple(NodeId(f"n{number}") for number in range(1, 6))


class Silent:
    """An algorithm that does nothing."""

    deadline: float | None = None

    def handle(self, events: object, *, now: float) -> list[object]:
        return []

    def tick(self, *, now: float) -> list[object]:
        return []


class Bed:
    """A world of five silent nodes under a plan. It probes once a millisecond: who is up, who reaches whom."""

    def __init__(self, *faults: Fault, ends_at_s: float = 10.0) -> None:
        self.world: World[str, str] = World("seed", MEMBERS, Plan(faults, ends_at_s), self, Bench(), hashed=False)
        self.crashed: list[tuple[NodeId, float]] = []
        self.born: list[tuple[NodeId, float]] = []
        self.arrived: list[str] = []

    def run(self, until_s: float = 20.0) -> None:
        violation = self.world.run(until_s=until_s, stop=lambda: False, end=lambda: None)
        assert violation is None

    def chatter(self, from_s: float, until_s: float) -> None:
        """Let every node send to every other every 10 ms."""
        for tick in range(int(from_s * 100), int(until_s * 100)):
            self.world.timeline.at(tick / 100, self._everybody_sends)

    def _everybody_sends(self) -> None:
        for sender in MEMBERS:
            for to in MEMBERS:
                if sender != to and self.world.nodes[sender].is_up:
                    self.world.send(sender, to, f"{sender}>{to}", None)

    def show(self, at_s: float, aim: Aim, number: int) -> None:
        node, other = MEMBERS[number - 1], MEMBERS[number % 5]
        self.world.timeline.at(at_s, lambda: self.world.send(node, other, "", aim))

    def build(self, node: NodeId, rng: random.Random) -> AnyAlgorithm:
        self.born.append((node, self.world.now))
        return Silent()

    def ended(self, node: NodeId) -> None:
        self.crashed.append((node, round(self.world.now, 6)))

    def wrote(self, node: NodeId, write: str) -> None: ...

    def sent(self, node: NodeId, to: NodeId, message: str) -> None: ...

    def perform(self, node: NodeId, effect: object) -> None: ...

    def visited(self, node: NodeId) -> None: ...


def crash(aim: Aim, *, at_s: float = 1.0, down_s: float = 0.5, delay_s: float = 0.0) -> Crash:
    return Crash(at_s, aim, victim=0, delay_s=delay_s, down_s=down_s)


def test_crash_of_anyone_hits_the_victim_and_it_restarts() -> None:
    bed = Bed(crash(Aim.ANYONE))

    bed.run()

    assert bed.crashed == [("n1", 1.0)]
    assert bed.born[5:] == [("n1", 1.5)]
    assert bed.world.firings.count_by_kind == {"crash": 1}


def test_aimed_crash_waits_for_whoever_shows_himself_and_strikes_after_its_delay() -> None:
    bed = Bed(crash(Aim.CANDIDATE, delay_s=0.002))
    bed.show(0.5, Aim.CANDIDATE, 2)  # before: not yet armed
    bed.show(1.2, Aim.LEADER, 3)  # another aim
    bed.show(1.3, Aim.CANDIDATE, 4)
    bed.show(1.4, Aim.CANDIDATE, 5)  # too late: it has struck

    bed.run()

    assert bed.crashed == [("n4", 1.302)]


def test_aimed_crash_loses_patience_and_takes_the_latest_that_showed_himself() -> None:
    bed = Bed(crash(Aim.LEADER))
    bed.show(0.5, Aim.LEADER, 3)

    bed.run()

    assert bed.crashed == [("n3", 2.0)]


def test_two_armed_crashes_need_two_occasions() -> None:
    bed = Bed(crash(Aim.VOTER), crash(Aim.VOTER))
    bed.show(1.1, Aim.VOTER, 2)
    bed.show(1.2, Aim.VOTER, 3)

    bed.run()

    assert bed.crashed == [("n2", 1.1), ("n3", 1.2)]


def test_outage_takes_everybody_and_each_comes_back_in_its_own_time() -> None:
    bed = Bed(Outage(1.0, (0.1, 0.2, 0.3, 0.4, 0.5)))

    bed.run()

    assert bed.crashed == [(member, 1.0) for member in MEMBERS]
    assert [(node, round(time, 6)) for node, time in bed.born[5:]] == [
        ("n1", 1.1), ("n2", 1.2), ("n3", 1.3), ("n4", 1.4), ("n5", 1.5),
    ]  # fmt: skip


def test_pause_counts_only_when_something_was_missed_and_lasts_until_then() -> None:
    bed = Bed(Pause(1.0, Aim.ANYONE, 0, 0.5))
    seen: list[bool] = []
    bed.world.timeline.at(1.55, lambda: seen.append(bed.world.nodes[MEMBERS[0]].is_paused))
    bed.world.timeline.at(1.58, lambda: bed.world.nodes[MEMBERS[0]].receive("x"))
    bed.world.timeline.at(1.65, lambda: seen.append(bed.world.nodes[MEMBERS[0]].is_paused))

    bed.run()

    assert seen == [True, False]
    assert bed.world.firings.count_by_kind == {"pause": 1}


def blocked_links(shape: Shape, *, leader: int | None = None) -> list[str]:
    bed = Bed(Partition(1.0, shape, victim=0, others=(1,), duration_s=0.5))
    if leader is not None:
        bed.show(0.5, Aim.LEADER, leader)
    stopped: list[str] = []

    def probe() -> None:
        for sender in MEMBERS:
            for to in MEMBERS:
                before = sum(bed.world.firings.count_by_kind.values())
                bed.world.send(sender, to, "probe", None)
                if sum(bed.world.firings.count_by_kind.values()) > before:
                    stopped.append(f"{sender[1]}{to[1]}")

    bed.world.timeline.at(1.2, probe)
    bed.world.timeline.at(1.6, probe)  # it is over: nothing more is stopped
    bed.run()
    return stopped


def test_partition_cuts_the_links_of_its_shape() -> None:
    assert blocked_links(Shape.ONE) == ["12", "13", "14", "15", "21", "31", "41", "51"]
    assert blocked_links(Shape.ONE_WAY) == ["12", "13", "14", "15"]
    assert blocked_links(Shape.HALVES) == [
        "13", "14", "15", "23", "24", "25", "31", "32", "41", "42", "51", "52",
    ]  # fmt: skip
    assert blocked_links(Shape.LEADER, leader=4) == ["14", "24", "34", "41", "42", "43", "45", "54"]


def test_partition_that_has_stopped_nothing_goes_on() -> None:
    bed = Bed(Partition(1.0, Shape.ONE, victim=0, others=(), duration_s=0.5))
    bed.show(1.95, Aim.VOTER, 1)

    bed.run()

    assert bed.world.firings.count_by_kind == {"partition.one": 1}


def test_storm_turns_the_weather_and_back() -> None:
    rough = Weather(loss=1.0)
    bed = Bed(Storm(1.0, rough, 0.5))
    usual = bed.world.network.weather
    seen: list[Weather] = []
    for at_s in (0.9, 1.1, 1.6):
        bed.world.timeline.at(at_s, lambda: seen.append(bed.world.network.weather))
    bed.show(1.2, Aim.VOTER, 1)

    bed.run()

    assert seen == [usual, rough, usual]
    assert bed.world.firings.count_by_kind == {"storm": 1}


def test_slow_disk_slows_one_disk_for_a_while() -> None:
    bed = Bed(SlowDisk(1.0, 2, 50.0, 0.5))
    seen: list[list[float]] = []
    for at_s in (1.1, 1.6):
        bed.world.timeline.at(at_s, lambda: seen.append([node.disk.slowness for node in bed.world.nodes.values()]))

    bed.run()

    assert seen == [[1, 1, 50, 1, 1], [1] * 5]


def test_everything_heals_when_the_plan_ends() -> None:
    bed = Bed(
        crash(Aim.ANYONE, down_s=99.0),
        crash(Aim.LEADER, at_s=2.9),
        Pause(2.0, Aim.ANYONE, 1, 99.0),
        Partition(2.0, Shape.ONE, 2, (), 99.0),
        Storm(2.0, Weather(loss=1.0), 99.0),
        SlowDisk(2.0, 3, 50.0, 99.0),
        ends_at_s=3.0,
    )
    bed.run(until_s=2.5)
    assert not bed.world.nodes[MEMBERS[0]].is_up

    bed.world.timeline.run(until_s=200.0, stop=lambda: False)

    assert bed.world.faults.is_over
    assert all(node.is_up and not node.is_paused and node.disk.slowness == 1.0 for node in bed.world.nodes.values())
    assert bed.crashed == [("n1", 1.0)]
    assert bed.world.network.weather.loss == 0.0


def test_pause_that_a_crash_cut_short_counts_if_it_had_hit_something_and_else_begins_again() -> None:
    for chatter_from_s in (0.0, 2.0):
        bed = Bed(Pause(1.0, Aim.ANYONE, 0, 0.5), Outage(1.1, (0.1,) * 5))
        bed.chatter(chatter_from_s, until_s=3.0)

        bed.run()

        assert bed.world.firings.count_by_kind["pause"] == 1
