"""Hunting: patches come and go, a mutant dies by an invariant of safety, and the clean code goes through its seeds."""

from __future__ import annotations

import pytest

from coterie.protocols.checking.violation import Bench, Violation
from coterie.protocols.faults.kinds.fault_kinds import Level
from coterie.protocols.raft.raft_log import RaftLog
from coterie.protocols.simulation.mutants import Directed, Explored, Mutant, Patch, hunt, patched
from coterie.protocols.simulation.scenarios.protocol_scenarios import SCENARIOS


class Prey:
    """What is mutated: it is wrong where a patch makes it so."""

    is_wrong = False
    is_always_wrong = False


def tell(invariant: str, seed: int, first: int) -> None:
    if (Prey.is_wrong and seed >= first) or Prey.is_always_wrong:
        Bench().fail(invariant, None, "it is wrong")


class Seeds:
    """A trial whose seeds differ: from seed 3 on the wrong is noticed."""

    name, level, is_random = "seeds", Level.PROTOCOL, True

    def __init__(self, invariant: str = "prey.right") -> None:
        self.invariant = invariant
        self.judged: list[tuple[int, bool]] = []

    def judge(self, seed: int) -> Violation | None:
        self.judged.append((seed, Prey.is_wrong))
        return Directed("tell", Level.PROTOCOL, lambda seed: tell(self.invariant, seed, 3)).judge(seed)


WRONG = (Patch(Prey, "is_wrong", True),)


def test_hunt_goes_on_until_a_seed_kills_and_the_clean_code_runs_the_very_seeds() -> None:
    trial = Seeds()

    ended = hunt(Mutant("wrong", trial, WRONG, first_seed=1))

    assert (ended.killed_by, ended.seed, ended.seeds) == ("prey.right", 3, 3)
    assert ended.is_success
    assert trial.judged == [(1, True), (1, False), (2, True), (2, False), (3, True), (3, False)]


def test_harmless_mutant_survives() -> None:
    harmless = Mutant("harmless", Explored(SCENARIOS["synod"]), ())

    ended = hunt(harmless, most_seeds=2)

    assert ended.killed_by is None
    assert not ended.is_success
    assert ended.seeds == 2


@pytest.mark.parametrize("invariant", ["algorithm.halted", "raft.converged", "liveness.leader", "program"])
def test_what_an_algorithm_notices_itself_and_what_only_does_not_end_kills_nobody(invariant: str) -> None:
    ended = hunt(Mutant("wrong", Seeds(invariant), WRONG), most_seeds=4)

    assert ended.killed_by is None


def test_alarm_at_the_clean_code_spoils_a_hunt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Prey, "is_always_wrong", True)

    ended = hunt(Mutant("wrong", Seeds(), WRONG))

    assert ended.alarm == "prey.right"
    assert not ended.is_success


def test_directed_trial_is_tried_once() -> None:
    told: list[int] = []

    ended = hunt(Mutant("harmless", Directed("story", Level.PROTOCOL, told.append), ()))

    assert told == [0, 0]  # the mutated code, and the clean
    assert ended.killed_by is None
    assert ended.seeds == 1


def test_patch_whose_target_is_gone_fails_loudly() -> None:
    with (
        pytest.raises(LookupError, match=r"RaftLog\.no_such_method is gone"),
        patched([Patch(RaftLog, "no_such_method", None)]),
    ):
        pass


def test_patches_are_taken_back() -> None:
    original = vars(RaftLog)["is_up_to_date"]

    with patched([Patch(RaftLog, "is_up_to_date", None)]):
        assert vars(RaftLog)["is_up_to_date"] is None

    assert vars(RaftLog)["is_up_to_date"] is original
