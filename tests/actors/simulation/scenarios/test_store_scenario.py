"""The scenario `store`: it passes, writes are torn in it, and it is the same again."""

from __future__ import annotations

import pytest

from coterie.actors.simulation.scenarios.store_scenario import STORE, Writer
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.kinds.fault_kinds import Crash
from coterie.protocols.simulation.mutants import Patch, patched
from coterie.protocols.simulation.scenarios.run_result import RunOutcome
from coterie.runtime.storage import log_recovery
from coterie.runtime.storage.segment_files import Segment

NODES = ("n1", "n2", "n3")
CRASHES = FaultPlan(NODES, tuple(Crash(0.3 + 0.11 * at, NODES[at % 3], down_s=0.01) for at in range(80)), 10.0)


@pytest.mark.parametrize("seed", range(2))
def test_stores_keep_what_they_acknowledged_under_everything(seed: int) -> None:
    result = STORE.run(seed)

    assert result.violation is None
    assert result.fired


def test_crashes_tear_batches() -> None:
    torn: list[int] = []
    usual = log_recovery._cut_torn_tail

    def cut_torn_tail(last: Segment, unproven_from: int) -> None:
        tail = last.file.read_at(last.size_bytes, last.file.size())
        torn.append(len(tail.rstrip(b"\0")))  # not the zeros by which the file was extended
        usual(last, unproven_from)

    with patched([Patch(log_recovery, "_cut_torn_tail", cut_torn_tail)]):
        result = STORE.run(1, plan=CRASHES)

    assert result.violation is None
    assert any(cut > 0 for cut in torn)


def test_runs_of_one_seed_are_the_same() -> None:
    assert STORE.run(7, plan=CRASHES, hashed=True).digest == STORE.run(7, plan=CRASHES, hashed=True).digest


def test_run_in_which_nothing_is_written_is_no_pass() -> None:
    def rest(self: Writer, msg: object, /) -> None:
        return

    with patched([Patch(Writer, "receive", rest)]):
        result = STORE.run(0, plan=FaultPlan(NODES, (), 1.0))

    assert result.outcome is RunOutcome.FAILED
    assert "only 0 writes were acknowledged" in str(result.violation)
