from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from coterie.nemesis import attack_report
from coterie.nemesis.attack import Attack, AttackOptions
from coterie.nemesis.attack_checks import check_histories
from coterie.protocols.checking.linearizability import KeyValue, history_from_lines
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.kinds.fault_kinds import Crash, Loss
from coterie.protocols.faults.plan_format import load_plan
from coterie.protocols.simulation.scenarios.run_result import RunOutcome, RunResult

PLAN = FaultPlan(("n1", "n2", "n3"), (Crash(1.0, "n1"), Loss(2.0, 1.0, 0.5)), 5.0)
PASSED = RunResult(
    seed=7,
    violation=None,
    void=None,
    operations=500,
    events=0,
    simulated_s=8.0,
    planned=("crash", "loss"),
    fired={"crash": 2, "loss": 1},
    digest=None,
    tail=(),
    nodes=PLAN.nodes,
)


@pytest.fixture
def attack(tmp_path: Path) -> Attack:
    """A run in which a write was lost."""
    attack = Attack(AttackOptions(PLAN, tmp_path, seed=7, clients=3))
    history = attack.recordings.recorder("store", "c1", KeyValue(), attack.now)._recording.history
    history.returned(history.invoked("c1", ("put", b"1"), key=b"k", at_s=1.0), at_s=2.0)
    history.returned(history.invoked("c2", ("get",), key=b"k", at_s=3.0), None, at_s=4.0)
    attack.run_log.record("n1", "fault.crash", None)
    return attack


def test_summary_says_what_fired_and_the_result() -> None:
    lines = list(attack_report.summary(PASSED))

    assert "500 operations" in lines[0]
    assert lines[1:] == ["faults: crash 2, loss 1", "result: passed"]


def test_kind_that_never_fired_is_named_and_voids_the_run() -> None:
    result = replace(PASSED, fired={"crash": 2})

    assert "never fired: loss" in attack_report.summary(result)
    assert result.outcome is RunOutcome.VOID


def test_failure_is_explained_with_what_happened_last(attack: Attack) -> None:
    result = replace(PASSED, violation=check_histories(attack.recordings, now_s=5.0), tail=attack.run_log.tail)

    text = "\n".join(attack_report.explanation(result))

    assert "fault.crash" in text
    assert "linearizability broken" in text
    assert "put(b'1')" in text


def test_folder_holds_all_that_is_needed_to_look_and_to_run_it_again(attack: Attack, tmp_path: Path) -> None:
    result = replace(PASSED, violation=check_histories(attack.recordings, now_s=5.0))

    attack_report.save(attack, result)

    assert load_plan((tmp_path / "plan.json").read_text()) == PLAN
    history = history_from_lines((tmp_path / "history-store.jsonl").read_text().splitlines())
    assert len(history) == 2
    assert "<svg" in (tmp_path / "timeline-store.html").read_text()
    assert "fault.crash" in (tmp_path / "trace.txt").read_text()
    assert json.loads((tmp_path / "verdict.json").read_text())["violation"] == "linearizability"
    assert attack_report.replay(attack) == f"coterie nemesis {tmp_path}/plan.json --seed 7 --clients 3"


def test_any_character_can_stand_in_the_files(attack: Attack, tmp_path: Path) -> None:
    hostile = "\x1b[2J\n forged \u202e\ud800"
    history = attack.recordings.by_group["store"].history
    history.returned(history.invoked(hostile, (hostile,), key=hostile, at_s=5.0), hostile, at_s=6.0)
    lines = len(attack.run_log.lines)
    attack.run_log.record(hostile, hostile, hostile)

    attack_report.save(attack, replace(PASSED, void=hostile, nodes=(hostile,)))

    assert len((tmp_path / "trace.txt").read_text().splitlines()) == lines + 1
    assert history_from_lines((tmp_path / "history-store.jsonl").read_text().splitlines()).events[-1].operation.client
    assert "\x1b" not in (tmp_path / "timeline-store.html").read_text()
    assert json.loads((tmp_path / "verdict.json").read_text())["void"] == hostile


def test_interrupted_run_keeps_what_was_learned(attack: Attack, tmp_path: Path) -> None:
    attack_report.save(attack, None)

    assert (tmp_path / "history-store.jsonl").exists()
    assert not (tmp_path / "verdict.json").exists()


def test_facts_count_what_was_never_answered(attack: Attack) -> None:
    history = attack.recordings.by_group["store"].history
    history.unknown(history.invoked("c3", ("put", b"2"), key=b"k", at_s=5.0), at_s=6.0)

    facts = attack_report.facts(attack, PASSED)

    assert facts["unknown"] == 1
    assert facts["outcome"] == "passed"
    json.dumps(facts)
