"""`coterie sim mutants`: the table, the last line, the JSON, the exit code."""

from __future__ import annotations

import json

import pytest

from coterie.cli import main
from coterie.cli.commands import mutants_command
from coterie.exploring.mutant_jobs import ALL_MUTANTS, TimedMutantResult
from coterie.protocols.simulation.mutants import MutantResult

Printed = pytest.CaptureFixture[str]

PROMISE = "synod: promise not durable"
UNKNOWN = "sessions: unknown session executed"


def test_table_says_who_was_killed_by_what_and_how(capsys: Printed) -> None:
    assert main(["sim", "mutants", "--only", PROMISE, "--only", UNKNOWN]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["mutant", "killed", "by", "how", "level", "seeds", "s", "clean"]
    assert lines[1].startswith(PROMISE)
    assert lines[1].split()[4].startswith("synod.")
    assert lines[1].split()[5:8] == ["everything", "(synod)", "protocol"]
    assert lines[2].split()[4:7] == ["sessions.executed_twice", "directed", "(evicted"]
    assert lines[-2] == "1 under the profile everything, 1 in directed scenarios"
    assert lines[-1] == "2 killed, 0 survived"


def test_json_is_one_envelope(capsys: Printed) -> None:
    assert main(["sim", "mutants", "--only", PROMISE, "-o", "json"]) == 0

    found = json.loads(capsys.readouterr().out)
    assert (found["command"], found["verdict"], found["errors"]) == ("sim mutants", "passed", [])
    told = found["data"]
    assert (told["killed"], told["survived"]) == (1, 0)
    assert told["mutants"][0]["mutant"] == PROMISE
    assert told["mutants"][0]["how"] == "profile"


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (MutantResult(PROMISE, None, 59, 60, None), "SURVIVED 60 seeds"),
        (MutantResult(PROMISE, "synod.value_not_highest", 0, 1, "synod.ballot_reused"), "FAILS synod.ballot_reused"),
    ],
)
def test_survivor_and_alarm_at_the_clean_code_make_the_exit_code_one(
    result: MutantResult, words: str, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def all_the_same(names: object, *, processes: int, on_result: object) -> list[TimedMutantResult]:
        assert callable(on_result)
        on_result(TimedMutantResult(result, 1.0))
        return [TimedMutantResult(result, 1.0)]

    monkeypatch.setattr(mutants_command, "run_mutant_jobs", all_the_same)

    assert main(["sim", "mutants"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert words in lines[1]
    assert lines[-1] == "0 killed, 1 survived"


def test_unknown_mutant_is_an_error_that_names_the_nearest(capsys: Printed) -> None:
    assert main(["sim", "mutants", "--only", "synod: promise not durabel"]) == 1
    assert f"did you mean '{PROMISE}'?" in capsys.readouterr().err


def test_unknown_mutant_is_told_before_any_table(capsys: Printed) -> None:
    assert main(["sim", "mutants", "--only", "synod: promise not durabel"]) == 1

    out, err = capsys.readouterr()
    assert out == ""
    assert f"did you mean {PROMISE!r}?" in err


def test_names_of_mutants_fit_into_their_column() -> None:
    assert mutants_command.WIDTHS[0] >= max(len(mutant.name) for mutant in ALL_MUTANTS)


def test_mutants_are_chosen_among_mutants_only(capsys: Printed) -> None:
    assert main(["sim", "raft", "--only", PROMISE]) == 2
    assert "selects mutants" in capsys.readouterr().err
