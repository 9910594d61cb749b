"""A simulated node treats an algorithm as the live driver does."""

from __future__ import annotations

import random
from collections.abc import Sequence

from coterie.protocols.algorithm import NodeId, Persist, Persisted, Send, Token
from coterie.protocols.checking.violation import ViolationContext
from coterie.protocols.faults.kinds.fault_kinds import TargetRole
from coterie.protocols.simulation.event_heap import EventHeap
from coterie.protocols.simulation.protocol_node import AnyAlgorithm, ProtocolNode
from coterie.protocols.simulation.run_trace import RunTrace

ME, PEER = NodeId("me"), NodeId("peer")


class Script:
    """An algorithm that notes what it is given; `wants` its next effects and deadline."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, object, float]] = []
        self.deadline: float | None = None
        self.next_effects: list[object] = []

    def handle(self, events: Sequence[object], *, now: float) -> list[object]:
        self.calls.append(("handle", list(events), now))
        if "heartbeat" in events:
            self.deadline = now + 1.0
        return self._effects()

    def tick(self, *, now: float) -> list[object]:
        self.calls.append(("tick", None, now))
        self.deadline = None
        return self._effects()

    def _effects(self) -> list[object]:
        effects, self.next_effects = self.next_effects, []
        return effects


class Bed:
    """One node, what its harness records, and its scripts, one for each life."""

    def __init__(self, *, seed: int = 1, drift: float = 0.0) -> None:
        self.heap = EventHeap(ViolationContext())
        self.scripts: list[Script] = []
        self.notes: list[object] = []
        self.first_deadline: float | None = None
        trace = RunTrace(self.heap, hashed=False)
        self.node: ProtocolNode[str, str] = ProtocolNode(ME, self, self.heap, trace, random.Random(seed), drift=drift)

    @property
    def script(self) -> Script:
        return self.scripts[-1]

    def build(self, node: NodeId, rng: random.Random) -> AnyAlgorithm:
        self.scripts.append(Script())
        self.script.deadline = self.first_deadline
        return self.script

    def ended(self, node: NodeId) -> None:
        self.notes.append("ended")

    def wrote(self, node: NodeId, write: str) -> None:
        self.notes.append(("wrote", write))

    def sent(self, node: NodeId, to: NodeId, message: str) -> None:
        self.notes.append(("sent", to, message))

    def perform(self, node: NodeId, effect: object) -> None:
        self.notes.append(("performed", effect))

    def turn_ended(self, node: NodeId) -> None: ...

    def healed(self) -> None: ...

    def sender_role(self, message: str) -> TargetRole | None:
        return None

    def run(self, until_s: float = 100.0) -> None:
        self.heap.run(until_s=until_s)


def started() -> Bed:
    bed = Bed()
    bed.node.start()
    return bed


def test_node_hands_over_together_what_arrives_within_the_window() -> None:
    bed = started()
    bed.node.receive("a")
    bed.node.receive("b")

    bed.run()

    assert [call[:2] for call in bed.script.calls] == [("handle", ["a", "b"])]


def test_node_varies_the_window() -> None:
    bed = started()
    for number in range(40):
        bed.heap.at(number, lambda: bed.node.receive("x"))
    bed.run()

    waits = [now % 1 for _, _, now in bed.script.calls]
    assert 10 < waits.count(0.0) < 30
    assert 0.0 < max(waits) <= 0.002


def test_node_carries_effects_out_in_order_and_holds_sends_for_their_write() -> None:
    bed = started()
    bed.script.next_effects = ["x", Send(PEER, "early"), Persist(Token(1), "w"), Send(PEER, "vote", Token(1)), "y"]
    bed.node.receive("go")

    bed.run()

    assert bed.notes == [
        ("performed", "x"), ("sent", PEER, "early"), ("performed", "y"), ("wrote", "w"), ("sent", PEER, "vote"),
    ]  # fmt: skip
    assert bed.script.calls[-1][1] == [Persisted(Token(1))]


def test_node_ticks_at_the_deadline_and_not_before() -> None:
    bed = Bed()
    bed.first_deadline = 3.0
    bed.node.start()

    bed.run()

    assert bed.script.calls == [("tick", None, 3.0)]


def test_node_does_not_tick_at_a_deadline_that_has_moved_later() -> None:
    bed = Bed()
    bed.first_deadline = 1.0
    bed.node.start()
    bed.heap.at(0.9, lambda: bed.node.receive("heartbeat"))

    bed.run(until_s=1.5)
    assert [kind for kind, _, _ in bed.script.calls] == ["handle"]

    bed.run()
    assert [kind for kind, _, _ in bed.script.calls] == ["handle", "tick"]


def test_node_that_was_paused_handles_what_arrived_before_its_overdue_tick() -> None:
    bed = Bed()
    bed.first_deadline = 1.0
    bed.node.start()
    bed.heap.at(0.5, bed.node.pause)
    bed.heap.at(2.0, lambda: bed.node.receive("heartbeat"))
    bed.heap.at(5.0, bed.node.resume)

    bed.run(until_s=5.5)

    assert bed.script.calls == [("handle", ["heartbeat"], 5.0)]
    assert bed.node.missed == 1


def test_node_that_was_paused_and_heard_nothing_ticks_on_resuming() -> None:
    bed = Bed()
    bed.first_deadline = 1.0
    bed.node.start()
    bed.heap.at(0.5, bed.node.pause)
    bed.heap.at(5.0, bed.node.resume)

    bed.run()

    assert bed.script.calls == [("tick", None, 5.0)]


def test_crash_forgets_inbox_timer_and_unsent_messages_but_a_restart_begins_anew() -> None:
    bed = started()
    bed.node.disk.slowness = 50.0
    bed.script.next_effects = [Persist(Token(1), "w"), Send(PEER, "vote", Token(1))]
    bed.node.receive("go")
    bed.run(until_s=0.0021)
    bed.node.receive("never seen")
    bed.node.crash()
    bed.node.receive("lost")
    assert not bed.node.is_up

    bed.node.start()
    bed.node.start()
    bed.run()

    assert ("sent", PEER, "vote") not in bed.notes
    assert "ended" in bed.notes
    assert len(bed.scripts) == 2
    assert bed.script.calls == []


def test_posted_event_is_handled_with_the_next_or_alone_in_its_time_but_not_by_the_next_life() -> None:
    bed = started()
    bed.node.post("with the next", within_s=1.0)
    bed.heap.at(0.5, lambda: bed.node.receive("the next"))
    bed.heap.at(2.0, lambda: bed.node.post("alone", within_s=1.0))
    bed.run(until_s=5.0)
    handled = [(events, round(at_s, 1)) for what, events, at_s in bed.script.calls if what == "handle"]
    assert handled == [(["with the next", "the next"], 0.5), (["alone"], 3.0)]

    bed.node.post("lost", within_s=1.0)
    bed.node.crash()
    bed.node.start()
    bed.run()

    assert [call for call in bed.script.calls if call[0] == "handle"] == []


def test_clock_runs_fast_or_slow_and_never_back_and_deadlines_are_meant_by_it() -> None:
    rates = []
    for seed in range(30):
        bed = Bed(seed=seed, drift=0.1)
        bed.node.start()
        bed.node.receive("now")
        bed.run(until_s=1.0)
        start_s = bed.script.calls[0][2]
        bed.script.deadline = start_s + 50.0
        bed.node.receive("again")
        bed.run()

        kind, _, tick_s = bed.script.calls[-1]
        assert kind == "tick"
        assert start_s + 50.0 <= tick_s < start_s + 50.000001
        rates.append((tick_s - start_s) / bed.heap.now)

    assert 0.89 < min(rates) < 0.95 < 1.05 < max(rates) < 1.11


def test_each_life_finds_the_clock_at_another_time() -> None:
    bed = Bed(drift=0.1)
    for _ in range(3):
        bed.node.start()
        bed.node.receive("now")
        bed.run(until_s=bed.heap.now + 1.0)
        bed.node.crash()

    starts = [script.calls[0][2] for script in bed.scripts]
    assert max(starts) - min(starts) > 10.0
