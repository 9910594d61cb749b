"""Plot: draws benchmark results as bar charts, a chart per benchmark variant, or as curves, a chart per set-up."""

# An extra that need not be installed.
# pyright: reportMissingImports=false

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.harness.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Curve", "plot", "plot_curves", "require_plotting"]

_PANELS_PER_ROW = 3
_COLOR_BY_SYSTEM = {"floor": "#b0b0b0", "floor_shared": "#d0d0d0", "coterie": "#2a6fbb"}
_PEER_COLOR = "#d98032"


@dataclass(frozen=True, slots=True)
class Curve:
    """A curve of the chart `panel`, with its `name` in the legend, through `points` (x, y)."""

    panel: str
    name: str
    points: tuple[tuple[float, float], ...]


def require_plotting() -> None:
    """Raise ImportError, with the command to install it, if matplotlib is missing."""
    if importlib.util.find_spec("matplotlib") is None:
        raise ImportError("--plot needs matplotlib: pip install 'coterie[bench]'")


def plot(path: str, results: Sequence[Result]) -> None:
    """Draw the results into a file; its suffix selects the format (png, svg, pdf).

    Raises:
        ImportError: matplotlib is missing.
        ValueError: there is nothing to draw, or the format is unknown.
    """
    require_plotting()
    from matplotlib.figure import Figure  # noqa: PLC0415 (an extra)

    names = list(dict.fromkeys(result.benchmark for result in results))
    if not names:
        raise ValueError("there are no results to draw")
    rows = -(-len(names) // _PANELS_PER_ROW)
    figure = Figure(figsize=(5 * _PANELS_PER_ROW, 2.4 * rows), layout="constrained")
    panels = figure.subplots(rows, _PANELS_PER_ROW, squeeze=False).flat
    for name, panel in zip(names, panels, strict=False):
        _draw(panel, [result for result in results if result.benchmark == name])
    for panel in list(panels)[len(names) :]:
        panel.set_axis_off()
    figure.savefig(path)


def plot_curves(path: str, curves: Sequence[Curve], *, x_label: str, y_label: str, is_logarithmic: bool = True) -> None:
    """Draw curves into a file, one chart per panel.

    If `is_logarithmic`, x is logarithmic, and y is logarithmic above 1 and linear below; else both are linear.

    Raises:
        ImportError: matplotlib is missing.
        ValueError: there is nothing to draw, or the format is unknown.
    """
    require_plotting()
    from matplotlib.figure import Figure  # noqa: PLC0415 (an extra)

    names = list(dict.fromkeys(curve.panel for curve in curves))
    if not names:
        raise ValueError("there are no curves to draw")
    figure = Figure(figsize=(5 * len(names), 4), layout="constrained")
    panels = figure.subplots(1, len(names), squeeze=False).flat
    for name, panel in zip(names, panels, strict=True):
        for curve in curves:
            if curve.panel == name:
                panel.plot(*zip(*curve.points, strict=True), marker="o", markersize=3, label=curve.name)
        if is_logarithmic:
            panel.set_xscale("log")
            panel.set_yscale("symlog", linthresh=1)
        panel.set_ylim(bottom=-0.05)
        panel.set_title(name, fontsize=10)
        panel.set_xlabel(x_label)
        panel.set_ylabel(y_label)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=8, loc="outside right upper")
    figure.savefig(path)


def _draw(panel: Axes, results: Sequence[Result]) -> None:
    systems = [result.system for result in results]
    values = [result.value for result in results]
    bars = panel.barh(systems, values, color=[_COLOR_BY_SYSTEM.get(system, _PEER_COLOR) for system in systems])
    panel.bar_label(bars, labels=[f"{value:,.4g}" for value in values], padding=3, fontsize=8)
    panel.set_title(f"{results[0].benchmark}, {results[0].unit}", fontsize=10)
    panel.margins(x=0.25)
    panel.invert_yaxis()
