"""`WorldConfig`: what a `MemberWorld` does besides the faults that its caller makes."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["WorldConfig"]


@dataclass(frozen=True, slots=True)
class WorldConfig:
    """What the world does besides the faults that its caller makes.

    Attributes:
        timeout_s: how long a node waits for the group's answer, s.
        answer_loss: the probability that the group does something and its answer is lost.
        late_proposal: the probability that a proposal is decided late, by up to `late_s`, after its node has given up.
        late_s: as said.
        has_drift: whether clocks go as differently as `clock_drift` allows; otherwise they show real time.
        has_singleton: whether a singleton runs.
        is_checked: whether everything that may act is checked after each step.
    """

    timeout_s: float = 0.6
    answer_loss: float = 0.0
    late_proposal: float = 0.0
    late_s: float = 6.0
    has_drift: bool = True
    has_singleton: bool = True
    is_checked: bool = True
