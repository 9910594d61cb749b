"""`Limit`: checks that each number in a fault (a time, a probability …) is in the range that is allowed for its field.

A field name means the same in every kind of fault.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from coterie.errors import PlanError
from coterie.protocols.faults.kinds.fault_kinds import Fault

__all__ = ["LIMITS", "Limit", "check_numbers"]


@dataclass(frozen=True, slots=True)
class Limit:
    """Finite numbers from `least` to `most`; `least` itself is excluded if `is_open`."""

    least: float = 0.0
    most: float = math.inf
    is_open: bool = False

    def allows(self, number: float) -> bool:
        """Return whether `number` is within the limit."""
        too_low = number <= self.least if self.is_open else number < self.least
        return math.isfinite(number) and not too_low and number <= self.most

    def __str__(self) -> str:
        least = f"above {self.least:g}" if self.is_open else f"at least {self.least:g}"
        return least if self.most == math.inf else f"{least} and at most {self.most:g}"


NOT_NEGATIVE = Limit()
POSITIVE = Limit(is_open=True)

LIMITS: dict[str, Limit] = {
    "age_s": POSITIVE,
    "at_s": NOT_NEGATIVE,
    "bytes_per_s": POSITIVE,
    "changes": Limit(1),
    "delay_s": NOT_NEGATIVE,
    "down_s": NOT_NEGATIVE,
    "duration_s": POSITIVE,
    "factor": Limit(1),
    "free_bytes": NOT_NEGATIVE,
    "hold_s": POSITIVE,
    "offset_s": Limit(-math.inf),
    "period_s": POSITIVE,
    "probability": Limit(0, 1, is_open=True),
    "rate": POSITIVE,
    "seed": NOT_NEGATIVE,
    "tail": Limit(0, 1),
    "tail_s": NOT_NEGATIVE,
    "turn_s": POSITIVE,
}


def check_numbers(fault: Fault, place: str) -> None:
    """Refuse a fault with a number out of its limits, or without links or times.

    Raises:
        PlanError: a number is invalid; the error names `place`, the field and its limits.
    """
    for field in fields(fault):
        value = getattr(fault, field.name)
        if field.name in LIMITS:
            for number in value if isinstance(value, tuple) else (value,):
                if not LIMITS[field.name].allows(number):
                    raise PlanError(f"{place} has {field.name} {number}: it must be {LIMITS[field.name]}")
        if field.name in {"links", "down_s"} and value == ():
            raise PlanError(f"{place} has no {field.name}: name at least one")
