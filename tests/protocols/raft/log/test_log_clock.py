"""Log time goes on by monotonic time alone, and never falls."""

from __future__ import annotations

import random

from coterie.protocols.raft import RaftConfig
from coterie.protocols.raft.log.log_clock import LogClock
from coterie.protocols.replicated_log import Entry
from coterie.protocols.simulation.directed.directed_group import DirectedGroup
from coterie.protocols.simulation.directed.raft_shorthand import append, entry, received


def clock(last_stamp_ms: int = 0, *, now: float = 1000.0) -> LogClock:
    it = LogClock(last_stamp_ms)
    it.start(now)
    return it


def test_a_leader_stamps_with_the_time_since_the_last_entry_of_another_one() -> None:
    it = clock()
    it.received(5_000, 1000.0)

    assert [it.stamp(1000.0), it.stamp(1000.25), it.stamp(1002.0)] == [5_000, 5_250, 7_000]


def test_no_fraction_of_a_millisecond_is_lost_however_often_a_leader_stamps() -> None:
    it = clock(now=0.0)

    stamps = [it.stamp(step * 0.0004) for step in range(10_001)]

    assert stamps[-1] in {3_999, 4_000}
    assert stamps == sorted(stamps)


def test_a_new_life_goes_on_from_the_stamp_on_the_disk_whatever_its_clock_shows() -> None:
    assert clock(70_000, now=3.0).stamp(3.5) == 70_500
    assert clock(70_000, now=9e9).stamp(9e9) == 70_000


def test_an_older_stamp_changes_nothing() -> None:
    """A follower whose uncommitted entries were dropped had seen later ones."""
    it = clock()
    it.received(9_000, 1000.0)

    it.received(4_000, 1001.0)

    assert it.stamp(1001.0) == 10_000


def test_an_equal_stamp_loses_no_time() -> None:
    """Many entries of one batch have one stamp, and some come again."""
    it = clock()
    it.received(5_000, 1000.0)

    it.received(5_000, 1003.0)

    assert it.stamp(1004.0) == 9_000


def test_a_leader_whose_time_runs_slower_is_followed() -> None:
    it = clock()
    it.received(1_000, 1000.0)
    it.received(1_500, 1010.0)

    assert it.stamp(1010.5) == 2_000


def test_stamps_never_fall_whatever_happens() -> None:
    for seed in range(50):
        rng, now = random.Random(seed), 50.0
        it, last_ms = clock(rng.randrange(5_000), now=now), 0
        for _ in range(200):
            now += rng.choice((0.0, 0.0003, 0.9))
            if rng.random() < 0.5:
                it.received(rng.randrange(60_000), now)
            assert it.stamp(now) >= last_ms
            last_ms = it.last_stamp_ms


# In a group.


def stamps(entries: list[Entry]) -> list[int]:
    return [each.stamp_ms for each in entries]


def test_entries_cross_with_their_stamps_and_a_new_leader_goes_on_from_them() -> None:
    group = DirectedGroup.led_by("n1")
    group.now += 100
    group.crash("n2")
    group.restart("n2")  # its own clock begins here
    group.heartbeat("n1")
    group.propose("n1", b"a")
    group.settle()
    assert stamps(group.record("n2").disk.entries) == stamps(group.record("n1").disk.entries)
    before_ms, before_s = group.record("n2").disk.entries[-1].stamp_ms, group.now
    assert before_ms >= 100_000

    group.crash("n1")
    group.elect("n2", "n3")

    noop = group.record("n2").disk.entries[-1]
    assert noop.stamp_ms - before_ms == int((group.now - before_s) * 1000)


def test_a_restart_of_the_whole_group_lets_log_time_stand_still() -> None:
    group = DirectedGroup.led_by("n1")
    group.now += 100
    group.propose("n1", b"a")
    group.settle()
    last_ms = group.record("n1").disk.entries[-1].stamp_ms
    for name in ("n1", "n2", "n3"):
        group.crash(name)

    group.now += 10_000
    for name in ("n1", "n2", "n3"):
        group.restart(name)
    group.elect("n2")

    assert last_ms <= group.record("n2").disk.entries[-1].stamp_ms < last_ms + 10_000


def test_a_leader_whose_stamps_fall_is_not_heard() -> None:
    group = DirectedGroup(3)

    group.handle("n1", received("n2", append(1, 0, 0, entry(1, 1, stamp_ms=7), entry(2, 1, stamp_ms=6))))

    assert group["n1"].last_index == 0
    assert group.observed[-1].event == "raft.message_discarded"


def test_every_log_of_a_wandering_group_has_stamps_that_do_not_fall() -> None:
    rng, group = random.Random(1), DirectedGroup(3, config=RaftConfig)
    for _ in range(30):
        leader = rng.choice(("n1", "n2", "n3"))
        group.elect(leader)
        group.now += rng.random()
        group.propose(leader, b"x", b"y")
        group.settle()
    for name in ("n1", "n2", "n3"):
        logged = stamps(group.record(name).disk.entries)
        assert logged == sorted(logged)
