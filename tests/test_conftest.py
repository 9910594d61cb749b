"""The fixtures and hooks of tests/conftest.py."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from coterie.runtime.hosts.virtual.virtual_loop import VirtualLoop

LOSES_AN_ERROR = """
import asyncio

async def test_loses_an_error():
    asyncio.get_running_loop().call_soon(lambda: 1 // 0)
    await asyncio.sleep(0.01)

async def test_takes_its_error():
    errors = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: errors.append(context))
    asyncio.get_running_loop().call_soon(lambda: 1 // 0)
    await asyncio.sleep(0.01)
    assert errors
"""


async def test_an_ordinary_test_runs_on_the_loop_that_it_is_named_after(request: pytest.FixtureRequest) -> None:
    on_uvloop = type(asyncio.get_running_loop()).__module__.startswith("uvloop")
    assert request.node.name.endswith("[uvloop]" if on_uvloop else "[asyncio]")


@pytest.mark.virtual
async def test_a_virtual_test_runs_on_a_virtual_loop() -> None:
    assert isinstance(asyncio.get_running_loop(), VirtualLoop)


def test_an_error_that_was_only_logged_fails_the_test(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\nmarkers = virtual\n", encoding="utf-8")
    (tmp_path / "test_it.py").write_text(LOSES_AN_ERROR, encoding="utf-8")
    shutil.copy(Path(__file__).parent / "conftest.py", tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1, done.stdout
    assert "unhandled errors on the loop" in done.stdout
    assert "4 passed, 2 errors" in done.stdout  # each on two loops; the errors come at the teardown


def test_slow_tests_come_first_and_the_others_keep_their_order(request: pytest.FixtureRequest) -> None:
    markers = [item.get_closest_marker("slow") is not None for item in request.session.items]

    assert markers == sorted(markers, reverse=True)
