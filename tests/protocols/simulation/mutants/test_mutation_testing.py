"""Mutation testing: patches are undone, safety invariants kill mutants, and the original code runs the same seeds."""

from __future__ import annotations

import pytest

from coterie.protocols.checking.violation import Violation, ViolationContext
from coterie.protocols.faults.kinds.fault_kinds import Level
from coterie.protocols.raft.raft_log import RaftLog
from coterie.protocols.simulation.mutants import DirectedTrial, Mutant, Patch, ScenarioTrial, patched, run_mutant
from coterie.protocols.simulation.scenarios.protocol_scenarios import SCENARIOS


class Prey:
    """What is mutated: it is wrong where a patch makes it so."""

    is_wrong = False
    is_always_wrong = False


def tell(invariant: str, seed: int, first: int) -> None:
    if (Prey.is_wrong and seed >= first) or Prey.is_always_wrong:
        ViolationContext().fail(invariant, None, "it is wrong")


class Seeds:
    """A trial whose seeds differ: from seed 3 on the wrong is noticed."""

    name, level, is_random = "seeds", Level.PROTOCOL, True

    def __init__(self, invariant: str = "prey.right") -> None:
        self.invariant = invariant
        self.checked: list[tuple[int, bool]] = []

    def run(self, seed: int) -> Violation | None:
        self.checked.append((seed, Prey.is_wrong))
        return DirectedTrial("tell", Level.PROTOCOL, lambda seed: tell(self.invariant, seed, 3)).run(seed)


WRONG = (Patch(Prey, "is_wrong", True),)


def test_seeds_run_until_one_kills_and_the_original_code_runs_the_same_seeds() -> None:
    trial = Seeds()

    ended = run_mutant(Mutant("wrong", trial, WRONG, first_seed=1))

    assert (ended.killed_by, ended.seed, ended.seeds) == ("prey.right", 3, 3)
    assert ended.is_success
    assert trial.checked == [(1, True), (1, False), (2, True), (2, False), (3, True), (3, False)]


def test_harmless_mutant_survives() -> None:
    harmless = Mutant("harmless", ScenarioTrial(SCENARIOS["synod"]), ())

    ended = run_mutant(harmless, most_seeds=2)

    assert ended.killed_by is None
    assert not ended.is_success
    assert ended.seeds == 2


@pytest.mark.parametrize("invariant", ["algorithm.halted", "raft.converged", "liveness.leader", "program"])
def test_what_an_algorithm_notices_itself_and_what_only_does_not_end_kills_nobody(invariant: str) -> None:
    ended = run_mutant(Mutant("wrong", Seeds(invariant), WRONG), most_seeds=4)

    assert ended.killed_by is None


def test_false_alarm_with_the_original_code_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Prey, "is_always_wrong", True)

    ended = run_mutant(Mutant("wrong", Seeds(), WRONG))

    assert ended.false_alarm == "prey.right"
    assert not ended.is_success


def test_directed_trial_is_tried_once() -> None:
    seeds: list[int] = []

    ended = run_mutant(Mutant("harmless", DirectedTrial("schedule", Level.PROTOCOL, seeds.append), ()))

    assert seeds == [0, 0]  # the mutated code, and the original
    assert ended.killed_by is None
    assert ended.seeds == 1


def test_patch_whose_target_is_gone_fails_loudly() -> None:
    with (
        pytest.raises(LookupError, match=r"RaftLog\.no_such_method does not exist"),
        patched([Patch(RaftLog, "no_such_method", None)]),
    ):
        pass


def test_patches_are_taken_back() -> None:
    original = vars(RaftLog)["is_up_to_date"]

    with patched([Patch(RaftLog, "is_up_to_date", None)]):
        assert vars(RaftLog)["is_up_to_date"] is None

    assert vars(RaftLog)["is_up_to_date"] is original
