"""`coterie sim partial-partitions`: the table, what does not recover, the JSON, the exit code."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from coterie.cli import main
from coterie.cli.commands.simulating import partitions_command
from coterie.protocols.simulation.partitions.recovery_report import RecoveryReport

Printed = pytest.CaptureFixture[str]

CONSTRAINED = ("sim", "partial-partitions", "--only", "constrained-election", "--seeds", "1")
DEAF = RecoveryReport("leader-deaf", 3, 4.0, (1.0, 2.0, 5.0), (), 1, 1.9, 0.1, ("leader-deaf, 3 nodes, seed 2: slow",))

NEVER = RecoveryReport("constrained-election", 5, None, (), (0,), 0, None, 0.13, ())


def test_table_has_a_line_for_each_size(capsys: Printed) -> None:
    assert main([*CONSTRAINED]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["partition", "nodes", "recovers", "p50", "max", "limit", "leaders", "left", "healed"]
    assert [line.split()[:3] for line in lines[2:4]] == [
        ["constrained-election", "3", "1/1"],
        ["constrained-election", "5", "1/1"],
    ]
    assert lines[4:] == ["2 partitions, 0 problems"]


def test_what_does_not_recover_is_named(capsys: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions_command, "report_recovery", lambda *_: NEVER)

    assert main([*CONSTRAINED, "--nodes", "5"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split() == ["constrained-election", "5", "never", "-", "-", "-", "0", "led", "on", "0.13"]
    assert lines[3:] == [
        "does not recover before it heals: constrained-election with 5 nodes",
        "1 partitions, 0 problems",
    ]


def test_json_is_one_envelope(capsys: Printed) -> None:
    assert main([*CONSTRAINED, "--nodes", "5", "-o", "json"]) == 0

    found = json.loads(capsys.readouterr().out)
    assert (found["command"], found["verdict"], found["errors"]) == ("sim partial-partitions", "passed", [])
    assert found["data"]["does_not_recover"] == []
    (told,) = found["data"]["partitions"]
    assert (told["partition"], told["size"], told["limit"]) == ("constrained-election", 5, 4.0)
    assert 0.0 < told["median"] < 4.0


def test_a_problem_is_printed_and_makes_the_exit_code_one(capsys: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions_command, "report_recovery", lambda *_: DEAF)

    assert main(["sim", "partial-partitions", "--only", "leader-deaf", "--nodes", "3"]) == 1

    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split() == ["leader-deaf", "3", "3/3", "2.00", "5.00", "4.00", "1", "1.90", "0.10"]
    assert lines[-2:] == ["leader-deaf, 3 nodes, seed 2: slow", "1 partitions, 1 problems"]


def test_one_seed_is_run_if_only_the_first_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[range] = []

    def note(_name: str, _size: int, seeds: range) -> RecoveryReport:
        asked.append(seeds)
        return replace(DEAF, problems=())

    monkeypatch.setattr(partitions_command, "report_recovery", note)
    command = ["sim", "partial-partitions", "--only", "leader-deaf", "--nodes", "3"]

    assert [main([*command, *more]) for more in ([], ["--seed", "7"], ["--seed", "7", "--seeds", "2"])] == [0, 0, 0]

    assert asked == [range(20), range(7, 8), range(7, 9)]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--only", "quorum-los"], "there is no partial partition 'quorum-los': did you mean 'quorum-loss'?"),
        (["--nodes", "4"], "partial partitions are for 3 or 5 nodes, not for 4"),
    ],
)
def test_what_does_not_exist_is_refused_and_the_nearest_named(options: list[str], words: str, capsys: Printed) -> None:
    assert main(["sim", "partial-partitions", *options]) != 0

    assert words in capsys.readouterr().err
