"""A failure's folder holds everything that shows it, and enough to run it again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from coterie.exploring.failure_folder import folder_for, save
from coterie.exploring.failure_shrinking import ShrunkFailure, shrink_failure
from coterie.exploring.run_jobs import Job, run_job
from coterie.exploring.saved_case import read_case
from coterie.protocols.checking.linearizability import history_from_lines
from coterie.protocols.checking.violation import Violation
from coterie.protocols.faults.plan_format import load_plan
from coterie.protocols.simulation.run_trace import TraceLine
from tests.coterie.exploring import toy

FRAGILE = Job(f"{toy.WHERE}:fragile", 5)


@pytest.fixture
def shrunk() -> ShrunkFailure:
    return shrink_failure(FRAGILE, run_job(FRAGILE))


def test_folder_holds_everything(tmp_path: Path, shrunk: ShrunkFailure) -> None:
    folder = tmp_path / "a" / "b"
    save(shrunk, folder)

    assert sorted(path.name for path in folder.iterdir()) == [
        "case.json", "history.jsonl", "log.txt", "plan.json", "sequence.svg", "timeline.html", "trace.txt",
        "verdict.json",
    ]  # fmt: skip
    assert load_plan((folder / "plan.json").read_text()) == shrunk.plan
    assert (folder / "trace.txt").read_text().splitlines() == [str(line) for line in shrunk.result.trace]
    assert (folder / "log.txt").read_text().splitlines() == list(shrunk.log) != []
    assert len(history_from_lines((folder / "history.jsonl").read_text().splitlines())) == shrunk.result.operations
    assert "seed 5" in (folder / "timeline.html").read_text()
    assert ET.parse(folder / "sequence.svg").getroot().tag.endswith("svg")


def test_any_character_can_stand_in_the_files(tmp_path: Path, shrunk: ShrunkFailure) -> None:
    hostile = "\x1b[2J\n12.0  n1 forged \u202e\ud800"
    trace = (TraceLine(1.0, hostile, hostile, hostile),)
    violation = Violation("toy.too_many", hostile, node=None, step=1, time_s=1.0)
    result = replace(shrunk.result, trace=trace, violation=violation, nodes=(hostile,))

    save(replace(shrunk, result=result, log=(f"WARNING {hostile}",)), tmp_path)

    assert len((tmp_path / "trace.txt").read_text().splitlines()) == 1
    assert (tmp_path / "log.txt").read_text() == "WARNING \\x1b[2J\n12.0  n1 forged \\u202e\\ud800\n"
    assert json.loads((tmp_path / "verdict.json").read_text())["nodes"] == [hostile]
    assert ET.parse(tmp_path / "sequence.svg").getroot().tag.endswith("svg")


def test_saved_case_fails_again_in_the_same_way(tmp_path: Path, shrunk: ShrunkFailure) -> None:
    save(shrunk, tmp_path)

    again = run_job(replace(read_case(tmp_path).job, hashed=True))

    assert str(again.violation) == str(shrunk.result.violation)
    assert again.digest == shrunk.result.digest


def test_result_file_has_the_violation_and_the_failure_before_shrinking(tmp_path: Path, shrunk: ShrunkFailure) -> None:
    save(shrunk, tmp_path)

    facts = json.loads((tmp_path / "verdict.json").read_text())

    assert facts["violation"]["invariant"] == facts["found"]["violation"]["invariant"] == "toy.too_many"
    assert facts["faults"] == 3
    assert facts["found"]["fired"] == {"crash": 12}
    assert facts["trace_hash"] == shrunk.result.digest


def test_files_of_an_earlier_run_do_not_stay(tmp_path: Path, shrunk: ShrunkFailure) -> None:
    save(shrunk, tmp_path)
    (tmp_path / "mine.txt").write_text("keep me", encoding="utf-8")

    save(replace(shrunk, result=replace(shrunk.result, history=None)), tmp_path)

    names = {path.name for path in tmp_path.iterdir()}
    assert not {"history.jsonl", "timeline.html"} & names
    assert {"mine.txt", "case.json"} <= names


def test_folder_is_named_after_scenario_and_seed() -> None:
    assert folder_for(Path("runs"), "raft", 17) == Path("runs/raft-17")
    assert folder_for(Path("runs"), "shop.tests:scenario", 3) == Path("runs/shop.tests-scenario-3")
