"""`Settings`: holds the number of runs, the amount of work, and the names of the other actor systems to measure."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field

from benchmarks.harness.kept_results import KeptResults

__all__ = ["Settings", "settings_of_program"]

_QUICK_DIVISOR = 1000


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of the command line.

    `runs`: measurements per system; the median counts. `is_quick`: a thousandth of the work, once, to check that it
    runs; its figures mean nothing. `peers`: names of the other actor systems to measure in the same run. `kept`: where
    a benchmark puts its results as soon as it has them, so that they are not lost if it does not end.
    """

    runs: int = 5
    is_quick: bool = False
    peers: tuple[str, ...] = ()
    kept: KeptResults = field(default_factory=KeptResults)

    def count(self, full: int) -> int:
        """Return the number of operations: `full`, or a thousandth of it in a quick run."""
        return max(1, full // _QUICK_DIVISOR) if self.is_quick else full

    def seconds(self, full: float) -> float:
        """Return the duration of a measurement: `full` seconds, or a twentieth of it in a quick run."""
        return full / 20 if self.is_quick else full


def settings_of_program(module: str, description: str | None, *, runs: int) -> Settings:
    """Read the command line of a benchmark that is also a program of its own: `--quick`, or `--help`, which exits."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {module}", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a thousandth of the work: only to check that it runs")
    return Settings(runs, parser.parse_args().quick)
