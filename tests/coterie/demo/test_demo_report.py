from __future__ import annotations

import json
from dataclasses import replace

from coterie.demo.count_comparison import PlainCount, compare
from coterie.demo.demo_report import DemoReport
from coterie.demo.node_kill import KillRecord
from coterie.demo.store_keys import StoredCounts

FILES = ("a.py", "b\udcff.py")
PLAIN = PlainCount(frozenset(FILES), frozenset({FILES[1]}), {"x": 2})
FOUND = StoredCounts({"x": 2}, dict.fromkeys(FILES, 1), frozenset({FILES[1]}))
GOOD = DemoReport(
    comparison=compare(PLAIN, FILES, FOUND),
    plain=PLAIN,
    found=FOUND,
    killed=KillRecord(
        "n1",
        was_leader=True,
        term=1,
        in_flight=2,
        unanswered=1,
        acknowledged=1,
        failover_ms=312.34,
        acknowledged_while_down=1,
    ),
    void=[],
    skipped={FILES[1]: "SyntaxError: \udcff"},
    acknowledged=2,
    resent=1,
    balance="Prequal()",
    requests_by_node={"n1": 2, "n2": 1},
    term=2,
    work_s=0.5,
    seconds=2.0,
)
LOST = replace(GOOD, comparison=compare(PLAIN, FILES, replace(FOUND, markers={"a.py": 1})))


def test_identical_run_succeeds() -> None:
    assert GOOD.exit_code == 0
    assert GOOD.lines()[-1] == "IDENTICAL to the plain count"


def test_the_report_says_which_policy_sent_how_many_files_to_each_node() -> None:
    assert "files sent by Prequal(): n1 2 (67%), n2 1 (33%)" in GOOD.lines()
    assert GOOD.facts()["balance"] == "Prequal()"
    assert GOOD.facts()["requests_by_node"] == {"n1": 2, "n2": 1}


def test_void_run_has_exit_code_two_and_says_why() -> None:
    void = replace(GOOD, void=["no file was in flight at the kill"])

    assert void.exit_code == 2
    assert "VOID: no file was in flight at the kill" in void.lines()


def test_different_run_fails_and_names_what_is_lost() -> None:
    assert LOST.exit_code == 1
    assert "lost: b\\udcff.py" in LOST.lines()
    assert LOST.lines()[-1] == "NOT IDENTICAL"


def test_different_run_fails_even_if_it_is_void() -> None:
    assert replace(LOST, void=["whatever"]).exit_code == 1


def test_run_with_unacknowledged_files_fails() -> None:
    assert replace(GOOD, acknowledged=1).exit_code == 1


def test_facts_are_one_json_object_with_the_promised_keys() -> None:
    facts = json.loads(json.dumps(GOOD.facts()))

    promised = {
        "files": 2,
        "identifiers": 1,
        "identical": True,
        "acknowledged": 2,
        "lost": 0,
        "duplicated": 0,
        "failover_ms": 312.3,
        "commands_per_s": 4.0,
        "seconds": 2.0,
    }
    assert promised.items() <= facts.items()
    assert facts["skipped"] == [FILES[1]]


def test_all_lines_can_be_printed() -> None:
    for line in [*GOOD.lines(), *LOST.lines()]:
        line.encode()
