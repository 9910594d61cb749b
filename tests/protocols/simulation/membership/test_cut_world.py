"""The world of cuts: Rapid's faults make one view and expel nobody who is healthy; and it sees when somebody is."""

from __future__ import annotations

import random

import pytest

from coterie.protocols.membership.cut_detector import CutConfig
from coterie.protocols.simulation.directed.view_trials import view_of
from coterie.protocols.simulation.membership.cut_world import CutReport, CutWorld, Fault

CRASH = Fault(is_crash=True)
FLIP_FLOP = Fault(ingress_loss=1.0, on_s=20.0, off_s=20.0)
LOSSY = Fault(egress_loss=0.8)
LOSSY_BOTH_WAYS = Fault(ingress_loss=0.8, egress_loss=0.8)


def run(size: int, faulty: int, fault: Fault, seed: int, config: CutConfig | None = None) -> CutReport:
    rng, view = random.Random(seed), view_of(size)
    faults = dict.fromkeys(sorted(member.identity for member in rng.sample(view.members, faulty)), fault)
    return CutWorld(view, faults, rng, CutConfig() if config is None else config).run(60.0)


@pytest.mark.parametrize("fault", [CRASH, FLIP_FLOP, LOSSY, LOSSY_BOTH_WAYS])
def test_ten_faulty_members_of_a_thousand_leave_in_one_view_and_nobody_else_does(fault: Fault) -> None:
    """Rapid §7: ten crash at once; ten lose all ingress 20 s on and 20 s off; 1 % lose 80 % of what they send."""
    for seed in range(3):
        report = run(1000, 10, fault, seed)
        assert (len(report.cuts), report.wrong, report.missing) == (1, (), ())
        assert report.stable_s < 12.0


@pytest.mark.parametrize("fault", [CRASH, FLIP_FLOP, LOSSY_BOTH_WAYS])
@pytest.mark.parametrize("size", [3, 4, 5, 7, 11, 12, 30])
def test_a_faulty_minority_of_a_small_view_leaves_and_nobody_else_does(size: int, fault: Fault) -> None:
    for seed in range(10):
        report = run(size, (size - 1) // 2, fault, seed)
        assert (report.wrong, report.missing) == ((), ())
        assert len(report.cuts) <= 3


def test_without_faults_nothing_happens_and_the_same_seed_gives_the_same_run() -> None:
    assert run(100, 0, CRASH, seed=1) == CutReport((), (), ())
    assert run(100, 10, LOSSY, seed=1) == run(100, 10, LOSSY, seed=1)


def test_a_fault_that_is_too_short_expels_nobody() -> None:
    report = run(30, 5, Fault(ingress_loss=1.0, on_s=3.0, off_s=60.0), seed=1)

    assert (report.cuts, len(report.missing)) == ((), 5)


def test_a_detector_that_waits_for_too_few_accusers_is_seen_to_expel_healthy_members() -> None:
    hasty = CutConfig(high=4, low=4, implicit_after_s=0.0)

    assert any(run(5, 2, FLIP_FLOP, seed, hasty).wrong for seed in range(20))
