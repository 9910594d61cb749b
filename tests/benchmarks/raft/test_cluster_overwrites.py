"""The benchmark of disk and memory over many overwrites: what it reports, and that it runs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from benchmarks.harness.results import Result
from benchmarks.raft.compaction.cluster_overwrites import PARTS, Peak, occupied_bytes, report, run

MB = 1_000_000


def of(disk: list[int]) -> dict[str, Result]:
    peaks = [Peak(disk=each * MB, memory=5 * MB, seconds=2.0, segments=MB) for each in disk]
    return {result.benchmark.partition("/")[2]: result for result in report(peaks, 10 * MB, 1000)}


def test_the_ratio_is_that_of_the_highest_peak_and_growth_compares_the_halves_without_the_part_that_fills() -> None:
    found = of([10, 25, 24, 26, 25, 26, 27, 25, 26, 39])

    assert found["disk"].value == 3.9
    assert found["disk"].detail["growth"] == 1.5
    assert found["disk"].detail["parts"] == "1.00 2.50 2.40 2.60 2.50 2.60 2.70 2.50 2.60 3.90"
    assert found["disk"].detail["per_s"] == 500
    assert found["memory"].value == 0.5


def test_an_interrupt_leaves_the_parts_so_far() -> None:
    assert report([], 10 * MB, 1000) == []
    assert of([20])["disk"].detail["growth"] == 1.0
    assert of([20, 30])["disk"].value == 3.0


def test_the_log_is_told_apart_from_the_other_files(tmp_path: Path) -> None:
    (tmp_path / "segment-0000000001.log").write_bytes(b"x" * 8192)
    (tmp_path / "snapshot-1").write_bytes(b"x" * 4096)

    assert occupied_bytes(str(tmp_path)) == (12_288, 8192)


@pytest.mark.slow
def test_a_short_run_measures_every_part() -> None:
    disk, memory = asyncio.run(run(overwrites=2000, keys=100))

    for result in (disk, memory):
        assert len(str(result.detail["parts"]).split()) == PARTS
    assert disk.value > 0
