"""The simulated disk: order, group commit, and what a crash leaves."""

from __future__ import annotations

import random

from coterie.protocols.algorithm import Token
from coterie.protocols.checking.violation import ViolationContext
from coterie.protocols.simulation.event_heap import EventHeap
from coterie.protocols.simulation.protocol_disk import ProtocolDisk


class Bed:
    """A disk and everything it reported."""

    def __init__(self, seed: int = 1) -> None:
        self.heap = EventHeap(ViolationContext())
        self.reports: list[tuple[str, object]] = []
        self.disk: ProtocolDisk[str] = ProtocolDisk(
            self.heap,
            random.Random(seed),
            durable=lambda token, write: self.reports.append((f"durable {token}", write)),
            synced=lambda token: self.reports.append(("synced", token)),
            survived=lambda write: self.reports.append(("survived", write)),
        )

    def submit(self, *writes: int) -> None:
        for token in writes:
            self.disk.submit(Token(token), f"w{token}")

    def run(self) -> None:
        self.heap.run(until_s=1e9)


def test_disk_makes_nothing_durable_at_once() -> None:
    bed = Bed()

    bed.submit(1)

    assert bed.reports == []


def test_disk_syncs_in_order_and_those_that_wait_together() -> None:
    bed = Bed()

    bed.submit(1, 2, 3)
    bed.run()

    assert bed.reports == [
        ("durable 1", "w1"), ("synced", 1), ("durable 2", "w2"), ("durable 3", "w3"), ("synced", 3),
    ]  # fmt: skip


def test_disk_loses_at_a_crash_all_but_a_prefix_of_what_was_not_durable() -> None:
    survivors = []
    for seed in range(60):
        bed = Bed(seed)
        bed.submit(1, 2, 3)
        bed.disk.crash()
        bed.run()
        survivors.append([what for _, what in bed.reports])
        assert all(kind == "survived" for kind, _ in bed.reports)

    prefixes = [["w1", "w2", "w3"][:length] for length in range(4)]
    assert all(kept in prefixes for kept in survivors)
    assert all(prefix in survivors for prefix in prefixes)


def test_disk_works_again_after_a_crash() -> None:
    bed = Bed(seed=3)
    bed.submit(1)
    bed.disk.crash()
    bed.reports.clear()

    bed.submit(1)
    bed.run()

    assert bed.reports == [("durable 1", "w1"), ("synced", 1)]


def test_slow_disk_takes_longer() -> None:
    usual, slow = Bed(), Bed()
    slow.disk.slow_down(50.0, lambda: slow.reports.append(("slowed", None)))

    for bed in (usual, slow):
        bed.submit(1)
        bed.run()

    assert slow.heap.now > 40 * usual.heap.now
    assert slow.reports == [("slowed", None), *usual.reports]


def test_failed_sync_loses_everything_pending_and_later_syncs_succeed() -> None:
    bed = Bed()
    bed.disk.fail_next(lambda: bed.reports.append(("failed", None)))

    bed.submit(1, 2)
    bed.run()
    assert bed.reports == [("failed", None)]

    bed.submit(3)
    bed.run()
    assert bed.reports[1:] == [("durable 3", "w3"), ("synced", 3)]


def test_sync_that_was_to_fail_may_be_pardoned() -> None:
    bed = Bed()
    bed.disk.fail_next(lambda: bed.reports.append(("failed", None)))
    bed.disk.fail_next(None)

    bed.submit(1)
    bed.run()

    assert bed.reports == [("durable 1", "w1"), ("synced", 1)]


def test_what_is_written_while_a_sync_is_told_waits_for_its_own() -> None:
    bed = Bed()
    bed.disk = ProtocolDisk(
        bed.heap,
        random.Random(1),
        durable=lambda token, write: bed.reports.append((f"durable {token}", write)),
        synced=lambda token: bed.submit(2, 3) if token == 1 else None,
        survived=lambda write: None,
    )

    bed.submit(1)
    bed.run()

    assert [what for what, _ in bed.reports] == ["durable 1", "durable 2", "durable 3"]
