"""A result is a table or an envelope; as JSON nothing else is on stdout, whatever goes wrong."""

from __future__ import annotations

import json

import pytest

from coterie.cli import main, make_parser
from coterie.cli.output.command_output import CommandOutput
from coterie.cli.output.json_envelope import Code, problems

Printed = pytest.CaptureFixture[str]
WITHOUT_DATA = {"run", "up", "completion"}


def test_a_result_is_lines_or_one_envelope(capsys: Printed) -> None:
    for form in ("table", "json"):
        out = CommandOutput("kv get", form)
        out.cluster = "shop"
        out.show({"key": "k"}, ["k is 1", "\x1b[2J"], verdict="healthy", errors=problems(Code.VOID, ["nothing"]))

    table, found = capsys.readouterr().out.split("{", 1)
    assert table == "k is 1\n\\x1b[2J\n"
    read = json.loads("{" + found)
    assert (read["command"], read["cluster"], read["verdict"], read["data"]) == (
        "kv get",
        "shop",
        "healthy",
        {"key": "k"},
    )
    assert read["errors"] == [{"code": "void", "message": "nothing"}]
    assert found.count("\n") == 1


def test_what_is_not_the_result_goes_to_stderr_as_json_and_to_stdout_otherwise(capsys: Printed) -> None:
    CommandOutput("sim").say(["begun", "two\nlines"])
    CommandOutput("sim", "json").say(["begun", "two\nlines"])

    printed = capsys.readouterr()
    assert printed.out == printed.err == "begun\ntwo\nlines\n"


@pytest.mark.parametrize(
    ("exit_code", "code"),
    [(1, "failed"), (2, "wrong_usage"), (3, "not_found"), (4, "unreachable"), (5, "degraded"), (9, "failed")],
)
def test_the_error_that_ends_a_command_has_the_code_of_the_exit_code(
    exit_code: int, code: str, capsys: Printed
) -> None:
    CommandOutput("status").fail(exit_code, "no\n  way")
    CommandOutput("status", "json").fail(exit_code, "no\n  way")

    printed = capsys.readouterr()
    assert printed.err == "coterie: no way\n"
    assert json.loads(printed.out)["errors"] == [{"code": code, "message": "no way"}]


def test_every_command_that_prints_data_has_the_option_and_table_is_the_default() -> None:
    parsers = [make_parser()]
    lacking = set()
    for parser in parsers:
        nested = [
            action for action in parser._actions if hasattr(action, "choices") and isinstance(action.choices, dict)
        ]
        if nested:
            parsers += [child for action in nested for child in action.choices.values()]  # type: ignore[union-attr]
            continue
        options = [action for action in parser._actions if "-o" in action.option_strings]
        if [(each.option_strings, list(each.choices or ()), each.default) for each in options] != [
            (["-o", "--output"], ["table", "json"], "table")
        ]:
            lacking.add(parser.prog.removeprefix("coterie "))

    assert lacking == WITHOUT_DATA


@pytest.mark.parametrize("spelling", [["-o", "json"], ["-ojson"], ["--output", "json"], ["--output=json"], ["-o=json"]])
@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["status", "--nonsense", "--connect", "127.0.0.1:1"], "status"),
        (["kv", "get", "--connect", "127.0.0.1:1"], "kv get"),
        (["topology", "x:y", "--as", "picture"], "topology"),
        (["nonsense"], None),
    ],
)
def test_wrong_usage_is_an_envelope_too(
    words: list[str], command: str | None, spelling: list[str], capsys: Printed
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*words, *spelling])

    printed = capsys.readouterr()
    found = json.loads(printed.out)
    assert ended.value.code == 2
    assert (found["command"], [error["code"] for error in found["errors"]]) == (command, ["wrong_usage"])
    assert printed.err.startswith("usage: coterie")


def test_wrong_usage_without_json_prints_nothing_on_stdout(capsys: Printed) -> None:
    with pytest.raises(SystemExit):
        main(["kv", "put", "key", "--", "-o", "json"])

    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("usage: coterie kv put")


def test_an_option_that_is_not_known_shows_the_usage_of_its_own_command(capsys: Printed) -> None:
    with pytest.raises(SystemExit):
        main(["topology", "x:y", "--nonsense"])

    assert capsys.readouterr().err.startswith("usage: coterie topology")


@pytest.mark.parametrize("command", ["sim", "nemesis"])
def test_a_list_of_names_is_data(command: str, capsys: Printed) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--list", "-o", "json"])

    found = json.loads(capsys.readouterr().out)
    assert ended.value.code == 0
    assert found["command"] == command
    assert len(found["data"]["names"]) > 3


def test_an_error_of_a_simulation_is_an_envelope(capsys: Printed) -> None:
    assert main(["sim", "rafd", "-o", "json"]) == 1

    printed = capsys.readouterr()
    found = json.loads(printed.out)
    assert (found["data"], found["errors"][0]["code"]) == (None, "failed")
    assert "did you mean 'raft'?" in found["errors"][0]["message"]
    assert printed.err == ""
