"""Compiled core: the compiled modules exist, and different traces give no result."""

from __future__ import annotations

import pytest

from benchmarks.compiled import COMPILED, ROOT, CompiledRun, measure, report


def test_every_module_that_is_compiled_exists() -> None:
    missing = [name for name in COMPILED if not (ROOT / "protocols" / f"{name}.py").is_file()]

    assert missing == []


@pytest.mark.slow
def test_the_same_seed_has_the_same_digest() -> None:
    first, second = measure(1), measure(1)

    assert first.digest == second.digest != measure(0).digest
    assert first.events == second.events > 1_000


def test_different_traces_are_no_result(capsys: pytest.CaptureFixture[str]) -> None:
    assert report([(CompiledRun(10, 1.0, "a"), CompiledRun(10, 0.5, "b"))]) == 1
    assert "differ" in capsys.readouterr().out


def test_the_best_rounds_are_compared(capsys: pytest.CaptureFixture[str]) -> None:
    slow, fast = CompiledRun(1_000, 1.0, "a"), CompiledRun(1_000, 0.5, "a")

    assert report([(slow, slow), (slow, fast)]) == 0
    assert "2.00 x" in capsys.readouterr().out
