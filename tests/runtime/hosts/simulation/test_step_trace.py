from __future__ import annotations

from coterie.runtime.hosts.simulation.step_trace import StepTrace


def test_the_digest_says_what_happened_in_which_order() -> None:
    traces = [StepTrace() for _ in range(3)]
    for trace, steps in zip(traces, (["a", "b"], ["a", "b"], ["b", "a"]), strict=True):
        for step in steps:
            trace.record("did", step)
    same, again, other = [trace.digest for trace in traces]
    assert same == again != other
    assert len(same) == 32


def test_lines_are_kept_only_on_demand() -> None:
    with_lines, hashed = StepTrace(keeps_lines=True), StepTrace()
    for trace in (with_lines, hashed):
        trace.record("arrived", "n1", "n2", 17)
    assert with_lines.lines == ["arrived n1 n2 17"]
    assert hashed.lines == []
    assert (with_lines.steps, with_lines.digest) == (hashed.steps, hashed.digest)
