"""Saved cases come back as they were, and say what is wrong with them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from coterie.errors import PlanError
from coterie.exploring.run_jobs import Job
from coterie.exploring.saved_case import (
    CASE_FILE,
    SavedCase,
    dump_case,
    load_case,
    read_case,
    read_plan_or_case,
)
from coterie.protocols.faults.kinds.fault_kinds import Level
from coterie.protocols.faults.plan_format import dump_plan
from tests.coterie.exploring import toy

SEED = SavedCase(Job("raft", 17))
WHOLE = SavedCase(Job("raft", 17, Level.PROTOCOL, "crashes", operations=8, plan=toy.a_plan(1)), "committed by counting")


@pytest.mark.parametrize(
    "case", [SEED, WHOLE, SavedCase(replace(WHOLE.job, plan=replace(toy.a_plan(1), faults=()), nodes=3))]
)
def test_case_comes_back_as_it_was(case: SavedCase) -> None:
    assert load_case(dump_case(case)) == case


def test_case_has_one_line_for_each_fault() -> None:
    assert len(dump_case(WHOLE).splitlines()) == len(toy.a_plan(1).faults) + 2
    assert json.loads(dump_case(SEED)) == {"format": 1, "scenario": "raft", "seed": 17, "profile": "everything"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "is not JSON"),
        ("[]", "not a JSON object"),
        ('{"seed": 1}', "field 'scenario' of a case must be a string"),
        ('{"scenario": "raft"}', "field 'seed' of a case must be a whole number"),
        ('{"scenario": "raft", "seed": true}', "field 'seed'"),
        ('{"scenario": "raft", "seed": 1, "sed": 2}', r"no field 'sed': did you mean 'seed'\?"),
        ('{"scenario": "raft", "seed": 1, "level": "sistem"}', r"level 'sistem': did you mean 'system'\?"),
        ('{"scenario": "raft", "seed": 1, "format": 9}', "format 9"),
        ('{"scenario": "raft", "seed": 1, "plan": {"nodes": ["a"], "ends_at_s": 1, "faults": [{"kind": "crsh"}]}}',
         r"kind 'crsh': did you mean 'crash'\?"),
    ],
)  # fmt: skip
def test_what_is_no_case_is_told(text: str, told: str) -> None:
    with pytest.raises(PlanError, match=told):
        load_case(text)


def test_case_is_read_from_its_file_or_its_folder(tmp_path: Path) -> None:
    (tmp_path / CASE_FILE).write_text(dump_case(WHOLE), encoding="utf-8")

    assert read_case(tmp_path) == read_case(tmp_path / CASE_FILE) == WHOLE


def test_file_that_is_missing_or_wrong_is_named(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"there is no file .*case\.json"):
        read_case(tmp_path)
    (tmp_path / "x.json").write_text("{}", encoding="utf-8")
    with pytest.raises(PlanError, match=r"x\.json.*'scenario'"):
        read_case(tmp_path / "x.json")


def test_plan_is_read_from_a_plan_or_a_case(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(dump_plan(toy.a_plan(1)), encoding="utf-8")
    (tmp_path / CASE_FILE).write_text(dump_case(WHOLE), encoding="utf-8")
    (tmp_path / "seed.json").write_text(dump_case(SEED), encoding="utf-8")

    assert read_plan_or_case(tmp_path / "plan.json").plan == toy.a_plan(1)
    assert read_plan_or_case(tmp_path).plan == toy.a_plan(1)
    with pytest.raises(PlanError, match=r"seed\.json.*no plan of its own"):
        read_plan_or_case(tmp_path / "seed.json")
