from __future__ import annotations

import argparse
import importlib.metadata
import logging
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from coterie import cli
from coterie.cli import log_options, main, make_parser
from coterie.cli.command_loop import NameNotFound, NameUncertain, TerminatedBySignal, WrongUsage
from coterie.cli.output.command_parser import CommandParser, add_output
from coterie.errors import CoterieError, NodeUnreachable


@pytest.fixture(autouse=True)
def _same_log_level() -> Iterator[None]:
    logger = logging.getLogger("coterie")
    level = logger.level
    yield
    logger.setLevel(level)


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let the command line have one command, `fail`, which raises."""

    def fail(args: argparse.Namespace) -> int:
        raise error

    parser = CommandParser(prog="coterie fail")
    parser.set_defaults(run=fail, log_level=None, usual_log_level="warning", traceback=False)
    add_output(parser)
    monkeypatch.setattr(cli, "make_parser", lambda: parser)


@pytest.mark.parametrize("error", [CoterieError("no\n  way"), ValueError("no way"), OSError("no way")])
def test_error_is_one_line_on_stderr(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(monkeypatch, error)

    code = main([])

    assert code == 1
    assert capsys.readouterr().err == "coterie: no way\n"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CoterieError("x"), 1),
        (OSError("x"), 1),
        (WrongUsage("x"), 2),
        (NameNotFound("x"), 3),
        (NodeUnreachable("n1", "x"), 4),
        (NameUncertain("x"), 4),
    ],
)
def test_the_exit_code_is_that_of_the_class_of_the_error(
    error: Exception, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    raising(monkeypatch, error)

    assert main([]) == code


def test_what_a_node_says_in_an_error_does_not_reach_the_terminal_as_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(monkeypatch, CoterieError("wrong_key: \x1b[2J\x1b[Hvisit \u202eevil\x9b\ud800"))

    main([])

    assert capsys.readouterr().err == "coterie: wrong_key: \\x1b[2J\\x1b[Hvisit \\u202eevil\\x9b\\ud800\n"


@pytest.mark.parametrize(("signalled", "code"), [(KeyboardInterrupt(), 130), (TerminatedBySignal(), 143)])
def test_signalled_command_ends_quietly(
    signalled: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(monkeypatch, signalled)

    assert main([]) == code
    assert capsys.readouterr().err == ""


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, KeyError("bug"))

    with pytest.raises(KeyError):
        main([])


@pytest.mark.parametrize("command", ["demo", "run", "status", "kv", "sim"])
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main([command, "--help"])

    assert exit_info.value.code == 0
    assert "usage: coterie " + command in capsys.readouterr().out


def test_log_level_is_taken_before_and_after_the_command() -> None:
    parser = make_parser()

    for command in (
        ["demo"],
        ["nemesis", "crashes"],
        ["sim", "raft"],
        ["kv", "get", "k", "--connect", "127.0.0.1:1"],
        ["security", "check", "x:y"],
    ):
        before = parser.parse_args(["--log-level", "info", *command])
        after = parser.parse_args([*command, "--log-level", "debug"])
        assert [before.log_level, after.log_level] == ["info", "debug"]


@pytest.mark.parametrize(("asked", "level"), [(None, "ERROR"), ("info", "INFO")])
def test_a_command_logs_at_its_usual_level_unless_told_otherwise(
    asked: str | None, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parser = CommandParser()
    parser.set_defaults(run=lambda _: 0, log_level=asked, usual_log_level="error", output="table")
    monkeypatch.setattr(cli, "make_parser", lambda: parser)

    main([])

    assert logging.getLevelName(logging.getLogger("coterie").level) == level


@pytest.mark.parametrize(
    ("command", "level"), [("run", "warning"), ("demo", "error"), ("nemesis", "error"), ("sim", "nothing")]
)
def test_help_tells_the_usual_log_level(command: str, level: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])

    assert f"(default {level})" in capsys.readouterr().out


def test_nothing_is_a_log_level() -> None:
    log_options.configure(log_options.NOTHING)

    assert not logging.getLogger("coterie.runtime").isEnabledFor(logging.CRITICAL)


@pytest.mark.parametrize(("command", "name"), [("sim", "raft-kv"), ("nemesis", "flaky-network")])
def test_list_names_what_there_is(command: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main([command, "--list"])

    assert exit_info.value.code == 0
    assert name in capsys.readouterr().out.splitlines()


def test_a_node_starts_without_the_simulator_and_the_demo() -> None:
    rooms = "exploring nemesis demo actors.simulation protocols.simulation protocols.faults runtime.hosts.simulation"
    foreign = tuple(f"coterie.{room}" for room in rooms.split())
    program = f"""
import sys
from coterie.cli import make_parser
make_parser().parse_args(["run", "shop:topology", "--node", "n1", "--data", "n1", "--listen", "127.0.0.1:0"])
print([name for name in sys.modules if name.startswith({foreign})])
"""

    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert ended.stdout == "[]\n"


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["run"], ["demo", "--nodes", "4"], ["kv"]])
def test_wrong_usage_has_exit_code_two(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(arguments)

    assert exit_info.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_demo_names_an_input_directory_that_does_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["demo", "--input", "/nowhere/at/all"])

    assert code == 1
    assert capsys.readouterr().err == "coterie: input directory '/nowhere/at/all' does not exist\n"


def test_module_runs_as_a_program() -> None:
    ended = subprocess.run([sys.executable, "-m", "coterie", "--help"], capture_output=True, text=True, check=True)

    assert ended.stdout.startswith("usage: coterie")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", [["sim", "--list"], ["topology", "examples.replicated_counter:topology"]])
def test_command_whose_reader_has_gone_ends_quietly_with_141(words: list[str], unbuffered: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)

    with os.fdopen(writer, "w") as nobody:
        done = subprocess.run(
            [sys.executable, "-m", "coterie", *words],
            stdout=nobody,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            timeout=60,
            check=False,
        )

    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("command", ["actors", "pools"])
@pytest.mark.parametrize("limit", ["-1", "1001", "10000000000", "ten", "1.5"])
def test_a_limit_out_of_range_is_wrong_usage(command: str, limit: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--connect", "127.0.0.1:1", f"--limit={limit}"])

    assert ended.value.code == 2
    assert capsys.readouterr().err.count(f"argument --limit: {limit!r} must be a whole number from 0 to 1000") == 1


@pytest.mark.parametrize("command", ["actors", "pools"])
def test_no_limit_is_fifty(command: str) -> None:
    assert make_parser().parse_args([command, "--connect", "127.0.0.1:1"]).limit == 50


def test_characters_that_the_output_lacks_are_replaced() -> None:
    program = (
        "import sys; from coterie import cli; from coterie.cli.output.command_parser import CommandParser;"
        "parser = CommandParser(); show = lambda args: print('2 × 3') or 0;"
        "parser.set_defaults(run=show, log_level=None, usual_log_level='warning', output='table');"
        "cli.make_parser = lambda: parser; sys.argv = ['coterie']; sys.exit(cli.main())"
    )
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-c", program]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "2 ? 3\n", "")


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])

    assert ended.value.code == 0
    assert capsys.readouterr().out == f"coterie {importlib.metadata.version('coterie')}\n"


def test_no_option_of_any_command_can_be_abbreviated() -> None:
    """A later option could make the abbreviation ambiguous, and break a script."""
    parsers = [make_parser()]
    for parser in parsers:
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                parsers += action.choices.values()

    assert len(parsers) > 20
    assert [parser.prog for parser in parsers if parser.allow_abbrev] == []
