from __future__ import annotations

from coterie.runtime.hosts.simulation.step_trace import Trace


def test_the_digest_says_what_happened_in_which_order() -> None:
    traces = [Trace() for _ in range(3)]
    for trace, steps in zip(traces, (["a", "b"], ["a", "b"], ["b", "a"]), strict=True):
        for step in steps:
            trace.note("did", step)
    same, again, other = [trace.digest for trace in traces]
    assert same == again != other
    assert len(same) == 32


def test_lines_are_kept_only_on_demand() -> None:
    kept, hashed = Trace(is_kept=True), Trace()
    for trace in (kept, hashed):
        trace.note("arrived", "n1", "n2", 17)
    assert kept.lines == ["arrived n1 n2 17"]
    assert hashed.lines == []
    assert (kept.steps, kept.digest) == (hashed.steps, hashed.digest)
