"""The trace: a tail for people, a hash for comparison."""

from __future__ import annotations

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.violation import ViolationContext
from coterie.protocols.simulation.event_heap import EventHeap
from coterie.protocols.simulation.run_trace import TAIL_LINES, RunTrace, TraceLine


def test_trace_shows_the_last_records_one_line_each() -> None:
    trace = RunTrace(EventHeap(ViolationContext()), hashed=False)
    for number in range(TAIL_LINES + 5):
        trace.record(NodeId("n1"), "counted", number)
    trace.record(None, "ended")

    tail = trace.tail()

    assert len(tail) == TAIL_LINES
    assert tail[-2].split() == ["0.000000", "n1", "counted", str(TAIL_LINES + 4)]
    assert tail[-1].split() == ["0.000000", "*", "ended"]
    assert trace.digest() is None


def test_trace_hash_covers_every_record() -> None:
    traces = [RunTrace(EventHeap(ViolationContext()), hashed=True) for _ in range(3)]
    for trace in traces:
        trace.record(None, "same")
    assert len(dict.fromkeys(trace.digest() for trace in traces)) == 1

    traces[0].record(NodeId("n1"), "other", 1)
    traces[1].record(NodeId("n1"), "other", 2)

    assert len(dict.fromkeys(trace.digest() for trace in traces)) == 3


def test_whole_trace_is_kept_on_demand_only() -> None:
    heap = EventHeap(ViolationContext())
    tail, whole = RunTrace(heap, hashed=False), RunTrace(heap, hashed=False, traced=True)

    for number in range(TAIL_LINES + 5):
        tail.record(NodeId("n1"), "counted", number)
        whole.record(NodeId("n1"), "counted", number)

    assert len(tail.lines()) == TAIL_LINES
    assert [line.detail for line in whole.lines()] == [str(number) for number in range(TAIL_LINES + 5)]
    assert whole.tail() == tail.tail() == [str(line) for line in tail.lines()]


def test_line_says_whose_message_arrives() -> None:
    assert TraceLine(0.5, "n1", "from n2", "Prepare(3)").sender == "n2"
    assert TraceLine(0.5, "n1", "node.started", "1").sender is None
    assert str(TraceLine(0.5, None, "plan_ended")) == "    0.500000  *    plan_ended"
