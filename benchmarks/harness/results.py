"""`Result`: holds the measurements of one benchmark variant on one actor system, and writes them as text and JSON."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

__all__ = ["Measurement", "Result", "percentile", "show", "write_json"]


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measurement of one system: its `value`, and `detail` by name (the unit comes last)."""

    value: float
    detail: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """One figure: the median `value` of its `runs`; `ratio` to the `floor`, the floor's median in the same run."""

    benchmark: str
    system: str
    unit: str
    runs: tuple[float, ...]
    floor: float | None = None
    detail: dict[str, float | int | str] = field(default_factory=dict)

    @property
    def value(self) -> float:
        """The median of the runs."""
        return statistics.median(self.runs)

    @property
    def ratio(self) -> float | None:
        """The value divided by the floor."""
        return None if not self.floor else self.value / self.floor

    def as_object(self) -> dict[str, object]:
        """Return the result as a JSON object."""
        derived = {"value": self.value, "ratio": self.ratio}
        return {**asdict(self), "runs": list(self.runs), **derived}


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` (0 … 1) of the values do not exceed. ValueError if empty."""
    if not values:
        raise ValueError("no percentile: there are no values")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-len(ordered) * share // 1).__int__() - 1))]


def show(result: Result) -> str:
    """Return the result as one line of text."""
    ratio = "" if result.ratio is None else f"  = {result.ratio:.2f} x floor ({result.floor:,.4g})"
    spread = f"{min(result.runs):,.4g} … {max(result.runs):,.4g}"
    detail = "".join(
        f"  {key}={value:,.4g}" if isinstance(value, float) else f"  {key}={value}"
        for key, value in result.detail.items()
    )
    name = f"{result.benchmark:<24} {result.system:<10}"
    return f"{name} {result.value:>12,.4g} {result.unit:<12} [{spread}]{ratio}{detail}"


def write_json(path: str, results: Sequence[Result]) -> None:
    """Write a list of result objects."""
    with open(path, "w", encoding="utf-8") as file:
        json.dump([result.as_object() for result in results], file, indent=2)
        file.write("\n")
