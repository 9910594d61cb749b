"""Every fault of a plan happens when, where and as long as the plan says, and counts only when it has hit something."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import pytest

from coterie.errors import PlanError
from coterie.protocols.algorithm import NodeId, Persist, Persisted, Received, Token
from coterie.protocols.checking.violation import ViolationContext
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.kinds.fault_kinds import (
    KINDS,
    ClockRate,
    Corrupt,
    Crash,
    Fault,
    FsyncError,
    Level,
    Loss,
    Outage,
    Partition,
    Pause,
    Priorities,
    RandomOrder,
    Shape,
    SlowDisk,
    SlowNode,
    StaleDisk,
    Starve,
    TargetRole,
    WipedDisk,
    kind,
)
from coterie.protocols.faults.profiles.fault_profiles import draw_plan
from coterie.protocols.simulation.protocol_node import AnyAlgorithm
from coterie.protocols.simulation.protocol_world import ProtocolWorld

MEMBERS = tuple(NodeId(f"n{number}") for number in range(1, 6))
BEAT_S = 0.01


class Beating:
    """An algorithm that writes something every 10 ms of its clock, and notes what it is given and when."""

    def __init__(self, bed: Bed, node: NodeId) -> None:
        self.bed = bed
        self.node = node
        self.deadline: float | None = None if bed.is_silent else 0.0
        self.tokens = 0

    def handle(self, events: Sequence[object], *, now: float) -> list[object]:
        at_s = self.bed.world.now
        self.bed.synced += [(self.node, at_s) for event in events if isinstance(event, Persisted)]
        self.bed.handled += [(self.node, at_s) for event in events if isinstance(event, Received)]
        return []

    def tick(self, *, now: float) -> list[object]:
        self.bed.beats.append((self.node, self.bed.world.now))
        self.deadline = now + BEAT_S
        self.tokens += 1
        return [Persist(Token(self.tokens), f"{self.tokens}")]


class Bed:
    """A world of five nodes under a plan. Messages name the role in which they show their sender."""

    def __init__(self, *faults: Fault, ends_at_s: float = 10.0, is_silent: bool = True) -> None:
        self.is_silent = is_silent
        self.beats: list[tuple[NodeId, float]] = []
        self.synced: list[tuple[NodeId, float]] = []
        self.handled: list[tuple[NodeId, float]] = []
        self.wrote_at: list[tuple[NodeId, float]] = []
        self.crashed: list[tuple[NodeId, float]] = []
        self.born: list[tuple[NodeId, float]] = []
        self.plan = FaultPlan(MEMBERS, faults, ends_at_s)
        self.world: ProtocolWorld[str, str] = ProtocolWorld("seed", self.plan, self, ViolationContext())

    @property
    def fired(self) -> dict[str, int]:
        return self.world.fault_counts.count_by_kind

    def run(self, until_s: float = 20.0) -> None:
        violation = self.world.run(until_s=until_s, end=lambda: None)
        assert violation is None

    def at(self, *times: float, do: Callable[[], object]) -> None:
        for at_s in times:
            self.world.heap.at(at_s, do)

    def chatter(self, from_s: float, until_s: float) -> None:
        """Let every node send to every other every 10 ms."""
        self.at(*(tick / 100 for tick in range(int(from_s * 100), int(until_s * 100))), do=self._everybody_sends)

    def _everybody_sends(self) -> None:
        for sender in MEMBERS:
            for to in MEMBERS:
                if sender != to and self.world.nodes[sender].is_up:
                    self.world.send(sender, to, "chatter")

    def show(self, at_s: float, role: TargetRole, number: int) -> None:
        node, other = MEMBERS[number - 1], MEMBERS[number % 5]
        self.at(at_s, do=lambda: self.world.send(node, other, role.value))

    def arrivals(self, node: str, from_s: float, until_s: float) -> int:
        return sum(name == node and from_s <= at_s < until_s for name, at_s in self.handled)

    # `AlgorithmHarness`.

    def build(self, node: NodeId, rng: random.Random) -> AnyAlgorithm:
        self.born.append((node, round(self.world.now, 6)))
        return Beating(self, node)

    def ended(self, node: NodeId) -> None:
        self.crashed.append((node, round(self.world.now, 6)))

    def wrote(self, node: NodeId, write: str) -> None:
        self.wrote_at.append((node, self.world.now))

    def sent(self, node: NodeId, to: NodeId, message: str) -> None: ...

    def perform(self, node: NodeId, effect: object) -> None: ...

    def turn_ended(self, node: NodeId) -> None: ...

    def healed(self) -> None: ...

    def sender_role(self, message: str) -> TargetRole | None:
        return None if message in {"", "chatter"} else TargetRole(message)


# Crashes.


def test_crash_of_anybody_hits_the_target_and_it_restarts() -> None:
    bed = Bed(Crash(1.0, "n2", down_s=0.5))

    bed.run()

    assert bed.crashed == [("n2", 1.0)]
    assert bed.born[5:] == [("n2", 1.5)]
    assert bed.fired == {"crash": 1}


def test_crash_by_role_waits_for_a_node_that_shows_it_and_begins_after_its_delay() -> None:
    bed = Bed(Crash(1.0, "n1", TargetRole.CANDIDATE, delay_s=0.002))
    bed.show(0.5, TargetRole.CANDIDATE, 2)  # before: not yet armed
    bed.show(1.2, TargetRole.LEADER, 3)  # another role
    bed.show(1.3, TargetRole.CANDIDATE, 4)
    bed.show(1.4, TargetRole.CANDIDATE, 5)  # too late: it has struck

    bed.run()

    assert bed.crashed == [("n4", 1.302)]


def test_crash_by_role_takes_its_target_if_nobody_shows_it_within_a_second() -> None:
    bed = Bed(Crash(1.0, "n1", TargetRole.LEADER))
    bed.show(0.5, TargetRole.LEADER, 3)

    bed.run()

    assert bed.crashed == [("n1", 2.0)]


def test_two_armed_crashes_need_two_occasions() -> None:
    bed = Bed(Crash(1.0, "n1", TargetRole.VOTER), Crash(1.0, "n1", TargetRole.VOTER))
    bed.show(1.1, TargetRole.VOTER, 2)
    bed.show(1.2, TargetRole.VOTER, 3)

    bed.run()

    assert bed.crashed == [("n2", 1.1), ("n3", 1.2)]


def test_crash_of_the_busiest_hits_who_has_had_the_most_turns() -> None:
    bed = Bed(Crash(1.0, "n1", TargetRole.BUSIEST))
    bed.at(0.1, 0.2, do=lambda: bed.world.send(MEMBERS[0], MEMBERS[3], ""))

    bed.run()

    assert bed.crashed == [("n4", 1.0)]


def test_crash_whose_target_is_down_takes_another_and_waits_if_everybody_is_down() -> None:
    bed = Bed(Crash(1.0, "n2", down_s=1.0), Crash(1.1, "n2", down_s=1.0))
    bed.run()
    assert bed.crashed == [("n2", 1.0), ("n1", 1.1)]

    bed = Bed(Outage(1.0, (0.25,)), Crash(1.1, "n2", down_s=1.0))
    bed.run()
    assert bed.crashed[5:] == [("n2", 1.3)]


def test_crash_that_something_else_forestalled_aims_again() -> None:
    bed = Bed(Crash(1.0, "n2", delay_s=0.004, down_s=0.1), Crash(1.001, "n2", down_s=0.1))

    bed.run()

    assert bed.crashed == [("n2", 1.001), ("n1", 1.008)]
    assert bed.fired == {"crash": 2}


def test_outage_takes_everybody_and_each_comes_back_in_its_own_time() -> None:
    bed = Bed(Outage(1.0, (0.1, 0.2, 0.3)))

    bed.run()

    assert bed.crashed == [(member, 1.0) for member in MEMBERS]
    assert bed.born[5:] == [("n1", 1.1), ("n4", 1.1), ("n2", 1.2), ("n5", 1.2), ("n3", 1.3)]
    assert bed.fired == {"outage": 5}


@pytest.mark.parametrize("fault", [WipedDisk(1.0, "n2", down_s=0.1), StaleDisk(1.0, "n2", 0.5, down_s=0.1)])
def test_node_that_has_forgotten_never_comes_back_under_its_old_name(fault: Fault) -> None:
    bed = Bed(fault, Crash(2.0, "n2", down_s=0.1))

    bed.run()

    assert bed.crashed == [("n2", 1.0), ("n1", 2.0)]
    assert bed.born[5:] == [("n1", 2.1)]
    assert bed.world.nodes[MEMBERS[1]].is_retired
    assert bed.fired == {fault.KIND: 1, "crash": 1}


def test_node_that_is_down_can_still_forget() -> None:
    bed = Bed(Crash(0.9, "n2", down_s=1.0), WipedDisk(1.0, "n2"))

    bed.run()

    assert len(bed.born) == 5
    assert bed.fired == {"crash": 1, "wiped_disk": 1}


# Disks.


def test_failed_sync_acknowledges_nothing_ends_the_node_and_it_comes_back_with_what_was_durable() -> None:
    bed = Bed(FsyncError(1.0, "n2", down_s=0.5), is_silent=False)

    bed.run(until_s=3.0)

    ((node, crashed_s),) = bed.crashed
    assert node == "n2"
    assert 1.0 < crashed_s < 1.05
    last_written_s = max(at_s for name, at_s in bed.wrote_at if name == "n2" and at_s < 1.5)
    assert last_written_s < crashed_s
    [(born, born_s)] = bed.born[5:]
    assert born == "n2"
    assert born_s == pytest.approx(crashed_s + 0.5)
    assert any(name == "n2" and at_s > 2.0 for name, at_s in bed.synced)
    assert bed.fired == {"fsync_error": 1}


def test_slow_disk_slows_the_syncs_of_one_disk_for_a_while_and_counts_them() -> None:
    bed = Bed(SlowDisk(1.0, "n3", 0.5, factor=50.0), is_silent=False)

    bed.run(until_s=3.0)

    during = {str(name): sum(it == name and 1.0 < at_s < 1.5 for it, at_s in bed.synced) for name in MEMBERS}
    after = {str(name): sum(it == name and 2.0 < at_s < 2.5 for it, at_s in bed.synced) for name in MEMBERS}
    assert during["n3"] < 0.8 * min(during[name] for name in MEMBERS if name != "n3")
    assert after["n3"] > 40
    assert list(bed.fired) == ["slow_disk"]


# Pauses.


def test_pause_counts_only_when_something_was_missed_and_lasts_until_then() -> None:
    bed = Bed(Pause(1.0, "n1", 0.5))
    seen: list[bool] = []
    bed.at(1.55, 1.65, do=lambda: seen.append(bed.world.nodes[MEMBERS[0]].is_paused))
    bed.at(1.58, do=lambda: bed.world.nodes[MEMBERS[0]].receive("x"))

    bed.run()

    assert seen == [True, False]
    assert bed.fired == {"pause": 1}


def test_pause_that_a_crash_cut_short_counts_if_it_had_hit_something_and_else_begins_again() -> None:
    for chatter_from_s in (0.0, 2.0):
        bed = Bed(Pause(1.0, "n1", 0.5), Outage(1.1, (0.1,)))
        bed.chatter(chatter_from_s, until_s=3.0)

        bed.run()

        assert bed.fired["pause"] == 1


# Clocks and turns.


def beats(bed: Bed, node: str, from_s: float, until_s: float) -> int:
    return sum(name == node and from_s <= at_s < until_s for name, at_s in bed.beats)


@pytest.mark.parametrize(("rate", "fewest", "most"), [(0.5, 22, 28), (2.0, 95, 105)])
def test_clock_runs_at_its_rate_and_then_as_before(rate: float, fewest: int, most: int) -> None:
    bed = Bed(ClockRate(1.0, "n2", 0.5, rate), is_silent=False)

    bed.run(until_s=3.0)

    assert fewest <= beats(bed, "n2", 1.0, 1.5) <= most
    assert 47 <= beats(bed, "n2", 2.0, 2.5) <= 52
    assert 47 <= beats(bed, "n1", 1.0, 1.5) <= 52
    assert bed.fired == {"clock_rate": 1}


def test_slow_node_takes_its_time_for_every_turn() -> None:
    bed = Bed(SlowNode(1.0, "n2", 0.5, turn_s=0.1))
    bed.at(1.1, 1.9, do=lambda: bed.world.send(MEMBERS[0], MEMBERS[1], ""))

    bed.run()

    (first, second) = [at_s for _, at_s in bed.handled]
    assert first > 1.2
    assert second < 1.95
    assert bed.fired == {"slow_node": 1}


def test_slow_node_ticks_late_too() -> None:
    bed = Bed(SlowNode(1.0, "n2", 0.5, turn_s=0.1), is_silent=False)

    bed.run(until_s=3.0)

    assert beats(bed, "n2", 1.05, 1.5) <= 6
    assert beats(bed, "n2", 2.0, 2.5) >= 47


def test_starved_node_handles_less_often_than_the_others() -> None:
    bed = Bed(Starve(1.0, "n2", 1.0))
    bed.chatter(0.5, 3.0)

    bed.run()

    turns = {str(name): len({at_s for it, at_s in bed.handled if it == name and 1.0 < at_s < 2.0}) for name in MEMBERS}
    assert turns["n2"] < 0.3 * min(turns[name] for name in MEMBERS if name != "n2")


def test_random_order_lets_later_messages_be_handled_first() -> None:
    orders = []
    for faults in ((), (RandomOrder(1.0, 0.5),)):
        bed = Bed(*faults)
        for number, node in enumerate(bed.world.nodes.values()):
            bed.at(1.1 + number * 0.0005, do=partial(node.receive, Received(MEMBERS[0], "")))
        bed.run()
        orders.append([name for name, _ in bed.handled])

    assert orders[1] != list(MEMBERS)
    assert sorted(orders[1]) == list(MEMBERS)


def test_priorities_make_nodes_wait_by_their_rank_and_are_drawn_anew() -> None:
    bed = Bed(Priorities(1.0, 1.0, changes=1))
    for node in bed.world.nodes.values():
        bed.at(1.1, 1.9, do=partial(node.receive, Received(MEMBERS[0], "")))

    bed.run()

    waits = [
        sorted(int((at_s - asked_s) / 0.004) for _, at_s in bed.handled if 0 <= at_s - asked_s < 0.1)
        for asked_s in (1.1, 1.9)
    ]
    orders = [[name for name, at_s in bed.handled if 0 <= at_s - asked_s < 0.1] for asked_s in (1.1, 1.9)]
    assert waits == [[0, 1, 2, 3, 4]] * 2
    assert orders[0] != orders[1]


# Partitions of whoever leads, and the end.


def test_partition_around_the_leader_begins_when_he_shows_himself() -> None:
    bed = Bed(Partition(1.0, 0.5, Shape.LEADER, "n1"))
    bed.show(1.2, TargetRole.LEADER, 4)
    bed.chatter(1.3, 1.4)

    bed.run()

    assert bed.arrivals("n4", 1.3, 1.5) == 0
    assert bed.arrivals("n1", 1.3, 1.5) == 30
    assert list(bed.fired) == ["partition.leader"]


def test_everything_heals_when_the_plan_ends() -> None:
    bed = Bed(
        Crash(1.0, "n1", down_s=99.0),
        Crash(2.9, "n1", TargetRole.LEADER),
        Pause(2.0, "n2", 99.0),
        Partition(2.0, 99.0, Shape.ONE, "n3"),
        Loss(2.0, 99.0, 1.0),
        SlowDisk(2.0, "n4", 99.0, 50.0),
        FsyncError(2.9, "n5"),
        SlowNode(2.0, "n5", 99.0, 5.0),
        ClockRate(2.0, "n5", 99.0, 1.1),
        WipedDisk(2.0, "n4"),
        ends_at_s=3.0,
    )
    bed.chatter(5.0, 6.0)
    bed.run(until_s=2.5)
    assert not bed.world.nodes[MEMBERS[0]].is_up

    bed.world.heap.run(until_s=200.0)

    assert bed.world.faults.is_over
    staying = [node for node in bed.world.nodes.values() if node.node_id != "n4"]
    assert all(node.is_awake and node.disk.slowness == 1.0 for node in staying)
    assert bed.crashed == [("n1", 1.0), ("n4", 2.0), ("n3", 3.2)]  # the last one in overtime: others had hit nothing
    assert [bed.arrivals(name, 5.0, 7.0) for name in MEMBERS] == [300, 300, 300, 0, 300]


def test_plan_goes_on_for_a_while_if_one_of_its_kinds_has_hit_nothing() -> None:
    healed = []
    for chatter_from_s in (3.0, 4.0, 5.0):
        bed = Bed(Loss(2.0, 0.5, 1.0), ends_at_s=3.0)
        bed.chatter(chatter_from_s, chatter_from_s + 0.5)
        seen: list[float] = []
        bed.at(*(tick / 10 for tick in range(28, 60)), do=partial(_note_end, bed, seen))
        bed.run()
        healed.append((round(seen[0], 1), bed.fired.get("loss", 0) > 0))

    assert healed == [(3.2, True), (4.1, True), (4.6, False)]


def _note_end(bed: Bed, seen: list[float]) -> None:
    if bed.world.faults.is_over:
        seen.append(bed.world.now)


def test_plan_with_a_kind_that_this_level_lacks_is_refused() -> None:
    with pytest.raises(PlanError, match=r"faults\[0\] \(corrupt\) cannot be carried out at level 'protocol'"):
        Bed(Corrupt(1.0, 1.0, 0.5))


def drawn(name: str) -> Fault:
    """The first fault of that kind that the profile `everything` draws, brought forward."""
    for seed in range(300):
        for fault in draw_plan("everything", random.Random(seed), MEMBERS, 10.0, level=Level.PROTOCOL).faults:
            if kind(fault) == name:
                return replace(fault, at_s=0.5)
    raise LookupError(name)


SHAPES = [kind(Partition(1, 1, shape, "n1")) for shape in Shape]
NAMES = [name for name, owner in KINDS.items() if Level.PROTOCOL in owner.LEVELS and owner is not Partition]


@pytest.mark.parametrize("name", [*NAMES, *SHAPES])
def test_every_kind_of_this_level_takes_effect(name: str) -> None:
    bed = Bed(drawn(name), ends_at_s=4.0, is_silent=False)
    bed.chatter(0.0, 3.0)

    bed.run(until_s=5.0)

    assert list(bed.fired) == [name]
