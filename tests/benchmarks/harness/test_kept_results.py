"""Results are kept as soon as they are known: printed once, and in the file."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from benchmarks.harness.comparison import Comparison
from benchmarks.harness.kept_results import KeptResults
from benchmarks.harness.results import Measurement, Result
from benchmarks.harness.settings import Settings

FIRST, SECOND = Result("tell", "floor", "tells/s", (1.0,)), Result("tell", "coterie", "tells/s", (2.0,), floor=1.0)


def test_each_result_is_printed_and_written_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "results.json"
    kept = KeptResults(str(file), is_silent=False)
    kept.add([FIRST])
    written_first = json.loads(file.read_text(encoding="utf-8"))
    kept.add([FIRST, SECOND])

    assert [result["system"] for result in written_first] == ["floor"]
    assert [result["system"] for result in json.loads(file.read_text(encoding="utf-8"))] == ["floor", "coterie"]
    assert len(capsys.readouterr().out.splitlines()) == 2


async def test_an_interrupted_comparison_keeps_what_it_has_measured() -> None:
    settings = Settings(runs=3)
    runs: list[str] = []

    async def floor(count: int) -> Measurement:
        runs.append("floor")
        return Measurement(4.0)

    async def coterie(count: int) -> Measurement:
        runs.append("coterie")
        if runs.count("coterie") > 2:
            raise asyncio.CancelledError
        return Measurement(2.0)

    with pytest.raises(asyncio.CancelledError):
        await Comparison("it", "tells/s", 10, floor, coterie, is_warmed=False).run(settings)

    assert [(result.system, result.runs, result.ratio) for result in settings.kept.results] == [
        ("floor", (4.0, 4.0, 4.0), None),
        ("coterie", (2.0, 2.0), 0.5),
    ]
