from __future__ import annotations

import asyncio

import pytest

from coterie.demo.demo_output import DemoOutput, DemoProgress


async def test_waiting_for_a_number_ends_when_it_is_reached() -> None:
    progress = DemoProgress(10)
    waiting = asyncio.create_task(progress.reached(2))
    await asyncio.sleep(0)
    progress.add("a")
    await asyncio.sleep(0)
    assert not waiting.done()

    progress.add("b")

    await waiting


async def test_a_number_beyond_the_total_means_all() -> None:
    progress = DemoProgress(1)
    progress.add("a")

    await progress.reached(5)


def test_events_are_plain_lines_when_stdout_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    DemoOutput().say("n1 leads")

    printed = capsys.readouterr().out
    assert printed.endswith(" s  n1 leads\n")
    assert "\r" not in printed
    assert "\x1b" not in printed
