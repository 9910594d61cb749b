"""A node whose process does not end by itself is ended by force."""

from __future__ import annotations

import queue

import pytest

from coterie.cli.commands import run_command


def test_a_node_that_does_not_end_is_ended_by_force_and_says_what_still_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = queue.Queue[int]()
    monkeypatch.setattr(run_command, "END_S", 0.0)
    monkeypatch.setattr("os._exit", ended.put)

    run_command._end_in_time("n1")

    assert ended.get(timeout=30) == 1
    assert "node 'n1' did not end within 0 s, and is ended by force (threads that still run: MainThread" in (
        capsys.readouterr().err
    )
