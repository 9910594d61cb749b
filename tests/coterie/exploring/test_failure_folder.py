"""A failure's folder holds everything that shows it, and enough to run it again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from coterie.exploring.failure_folder import folder_for, save
from coterie.exploring.failure_shrinking import Reduction, reduce
from coterie.exploring.run_jobs import Job, carry_out
from coterie.exploring.saved_case import read_case
from coterie.protocols.checking.linearizability import history_from_lines
from coterie.protocols.faults.plan_format import load_plan
from tests.coterie.exploring import toy

FRAGILE = Job(f"{toy.WHERE}:fragile", 5)


@pytest.fixture
def reduction() -> Reduction:
    return reduce(FRAGILE, carry_out(FRAGILE))


def test_folder_holds_everything(tmp_path: Path, reduction: Reduction) -> None:
    folder = tmp_path / "a" / "b"
    save(reduction, folder)

    assert sorted(path.name for path in folder.iterdir()) == [
        "case.json", "history.jsonl", "log.txt", "plan.json", "sequence.svg", "timeline.html", "trace.txt",
        "verdict.json",
    ]  # fmt: skip
    assert load_plan((folder / "plan.json").read_text()) == reduction.plan
    assert (folder / "trace.txt").read_text().splitlines() == [str(line) for line in reduction.verdict.trace]
    assert (folder / "log.txt").read_text().splitlines() == list(reduction.log) != []
    assert len(history_from_lines((folder / "history.jsonl").read_text().splitlines())) == reduction.verdict.operations
    assert "seed 5" in (folder / "timeline.html").read_text()
    assert ET.parse(folder / "sequence.svg").getroot().tag.endswith("svg")


def test_saved_case_fails_again_in_the_same_way(tmp_path: Path, reduction: Reduction) -> None:
    save(reduction, tmp_path)

    again = carry_out(replace(read_case(tmp_path).job, hashed=True))

    assert str(again.violation) == str(reduction.verdict.violation)
    assert again.digest == reduction.verdict.digest


def test_verdict_says_what_broke_and_what_it_was_cut_down_from(tmp_path: Path, reduction: Reduction) -> None:
    save(reduction, tmp_path)

    facts = json.loads((tmp_path / "verdict.json").read_text())

    assert facts["violation"]["invariant"] == facts["found"]["violation"]["invariant"] == "toy.too_many"
    assert facts["faults"] == 3
    assert facts["found"]["fired"] == {"crash": 12}
    assert facts["trace_hash"] == reduction.verdict.digest


def test_files_of_an_earlier_run_do_not_stay(tmp_path: Path, reduction: Reduction) -> None:
    save(reduction, tmp_path)
    (tmp_path / "mine.txt").write_text("keep me", encoding="utf-8")

    save(replace(reduction, verdict=replace(reduction.verdict, history=None)), tmp_path)

    names = {path.name for path in tmp_path.iterdir()}
    assert not {"history.jsonl", "timeline.html"} & names
    assert {"mine.txt", "case.json"} <= names


def test_folder_is_named_after_scenario_and_seed() -> None:
    assert folder_for(Path("runs"), "raft", 17) == Path("runs/raft-17")
    assert folder_for(Path("runs"), "shop.tests:scenario", 3) == Path("runs/shop.tests-scenario-3")
