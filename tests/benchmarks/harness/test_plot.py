"""Results become bars, or curves."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.harness.plot import Curve, plot, plot_curves
from benchmarks.harness.results import Result

pytest.importorskip("matplotlib", reason="bars come with the extra `bench`")


def test_a_plot_holds_every_question_and_every_contender(tmp_path: Path) -> None:
    file = tmp_path / "bars.svg"
    results = [
        Result(benchmark, system, "tells/s", (rate,))
        for benchmark in ("tell/sync", "ring")
        for system, rate in (("floor", 9.0), ("coterie", 5.0), ("erlang", 7.0))
    ]

    plot(str(file), results)

    assert file.read_bytes().startswith(b"<?xml")


def test_there_must_be_something_to_draw(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no results"):
        plot(str(tmp_path / "bars.png"), [])


def test_curves_are_drawn_one_chart_per_panel(tmp_path: Path) -> None:
    file = tmp_path / "curves.svg"
    curves = [Curve(panel, name, ((0.1, 100.0), (1.0, 0.0))) for panel in ("lossy", "jittery") for name in ("a", "b")]

    plot_curves(str(file), curves, x_label="s", y_label="mistakes")

    assert file.read_bytes().startswith(b"<?xml")
    with pytest.raises(ValueError, match="no curves"):
        plot_curves(str(file), [], x_label="s", y_label="mistakes")
