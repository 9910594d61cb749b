"""Everything that the package prints goes through one module, and is printable there."""

from __future__ import annotations

import ast
import errno
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import coterie
from coterie.terminal_output import print_document, print_error, print_json, print_lines, print_text, print_value

HOSTILE = "x\x1b]0;owned\x07\x1b[2J\nnode n9 of kv: \u202eruns\x9b31m\ud800\x7f"
SHOWN = r"x\x1b]0;owned\x07\x1b[2J\nnode n9 of kv: \u202eruns\x9b31m\ud800\x7f"
PACKAGE = Path(coterie.__file__).parent
STREAMS = ("stdout", "stderr", "__stdout__", "__stderr__")
MAY_PRINT = {
    "terminal_output.py": "it is what prints",
    "demo/plain_count.py": "a program of its own, without coterie",
    "testing/host_state.py": "it compares the streams, and prints nothing",
    "exploring/fixed_hash_seed.py": "it flushes them, and prints nothing",
    "module_loading.py": "what a module of the user prints while it is loaded goes to stderr",
    "cli/__init__.py": "it flushes the output and selects its encoding, and prints nothing",
    "standard_streams.py": "it opens and flushes them, and prints nothing",
    "cli/output/command_parser.py": "it asks whether help goes to the output",
    "cli/output/watch_output.py": "it asks whether the output is a terminal",
    "demo/demo_output.py": "it asks whether the output is a terminal",
}


def printing(tree: ast.AST) -> Iterator[str]:
    """Every call of `print`, and every use of the standard streams."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == "print":
            yield f"{node.lineno}: print"
        if isinstance(node, ast.Attribute) and ast.unparse(node).removeprefix("sys.") in STREAMS:
            yield f"{node.lineno}: {ast.unparse(node)}"


def modules() -> list[Path]:
    links = [PACKAGE / name for name in ("actors", "protocols", "runtime")]
    return sorted(path for path in PACKAGE.rglob("*.py") if not any(link in path.parents for link in links))


def test_lines_are_printable(capsys: pytest.CaptureFixture[str]) -> None:
    print_lines([HOSTILE, "a\tb"])

    assert capsys.readouterr().out == f"{SHOWN}\na\tb\n"


def test_the_lines_of_a_programs_own_text_stay_lines(capsys: pytest.CaptureFixture[str]) -> None:
    print_text("one\ntwo \x1b[2J")

    assert capsys.readouterr().out == "one\ntwo \\x1b[2J\n"


def test_what_stands_before_and_after_the_lines_is_not_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    print_lines(["\x1b"], lead="\x1b[H", end="")

    assert capsys.readouterr().out == "\x1b[H\\x1b"


def test_errors_are_one_printable_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(f"coterie: {HOSTILE}")

    assert capsys.readouterr().err == f"coterie: {SHOWN}\n"


def test_json_is_printable_and_means_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({HOSTILE: [HOSTILE]})

    printed = capsys.readouterr().out
    assert all(" " <= sign <= "~" for sign in printed.removesuffix("\n"))
    assert json.loads(printed) == {HOSTILE: [HOSTILE]}


def test_a_json_document_keeps_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    print_document('{\n "a": "\x7f"}\n')

    assert capsys.readouterr().out == '{\n "a": "\\u007f"}\n'


@pytest.mark.parametrize(("is_terminal", "shown"), [(True, "a\n\tb \\x1b[2J\n"), (False, "a\n\tb \x1b[2J\n")])
def test_a_stored_value_is_printable_on_a_terminal_and_as_it_is_in_a_pipe(
    is_terminal: bool, shown: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)

    print_value("a\n\tb \x1b[2J")

    assert capsys.readouterr().out == shown


def test_no_other_module_prints() -> None:
    found = {
        path.relative_to(PACKAGE).as_posix(): [*printing(ast.parse(path.read_text(encoding="utf-8")))]
        for path in modules()
    }

    assert {name: uses for name, uses in found.items() if uses and name not in MAY_PRINT} == {}
    assert {name for name, uses in found.items() if any("print" in use for use in uses)} == {"demo/plain_count.py"}
    assert [name for name in MAY_PRINT if not found.get(name)] == []


@pytest.mark.parametrize(
    "source", ["print(x)", "f(on_line=print)", "sys.stdout.write(x)", "import sys\nprint(x, file=sys.stderr)"]
)
def test_printing_is_seen(source: str) -> None:
    assert list(printing(ast.parse(source)))


class Full(io.StringIO):
    """A stream that cannot be written."""

    def write(self, _: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_output_that_cannot_be_written_is_an_error_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Full())

    with pytest.raises(OSError, match=r"^the output cannot be written: No space left on device$"):
        print_lines(["a"])


def test_what_cannot_be_written_on_stderr_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Full())

    print_error("nobody hears it")
