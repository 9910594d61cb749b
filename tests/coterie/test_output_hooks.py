"""What Python itself prints on stderr in a process of coterie: no peer's text controls a terminal or begins a line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from coterie.cli import main
from coterie.import_order import child_environment, module_command

HOSTILE = "HOSTILE\\x1b[2J\\nCRITICAL forged\\u202e"
BEGIN = f"""
import asyncio, gc, sys, threading, warnings
from coterie import Topology
class HostileError(Exception):
    pass
class HostileExit(BaseException):
    pass
class Named:
    def __repr__(self):
        return TEXT
    def __del__(self):
        raise HostileError(TEXT)
class HostileWarning(UserWarning):
    pass
def fail():
    raise HostileError(TEXT)
TEXT = "{HOSTILE}"
topology = Topology("shop", ["n1"])
"""
WAYS = {
    "uncaught": "raise HostileExit(TEXT)",
    "chained": "try:\n    fail()\nexcept HostileError as error:\n    raise HostileExit(TEXT) from error",
    "thread": "thread = threading.Thread(target=fail, name=TEXT); thread.start(); thread.join()",
    "unraisable": "one = Named(); del one; gc.collect()",
    "warning": "warnings.warn(TEXT, HostileWarning)",
    "loop": "asyncio.new_event_loop().call_exception_handler({'message': TEXT, 'exception': HostileError(TEXT)})",
    "lost task": (
        "async def lose():\n    asyncio.ensure_future(run())\n    await asyncio.sleep(0)\n    await asyncio.sleep(0)\n"
        "async def run():\n    fail()\nasyncio.run(lose()); gc.collect()"
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_python_prints_controls_no_terminal_and_begins_no_line(way: str, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(BEGIN + WAYS[way] + "\n")

    done = subprocess.run(
        module_command("coterie", "topology", "shop:topology"),
        cwd=tmp_path,
        env=child_environment(),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    lines = done.stderr.splitlines()
    assert "HOSTILE\\x1b[2J" in done.stderr, "it was printed, and its escapes are shown"
    assert "\\u202e" in done.stderr
    assert not [line for line in lines if line.startswith(("CRITICAL", "HOSTILE"))]
    assert not [sign for sign in done.stderr.replace("\n", "") if not sign.isprintable()]


def test_a_command_within_another_program_leaves_its_hooks_alone(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.excepthook, sys.unraisablehook

    main(["topology", "nowhere:topology"])

    assert (sys.excepthook, sys.unraisablehook) == before
    assert "nowhere" in capsys.readouterr().err
