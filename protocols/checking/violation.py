"""`Violation`: defines the exception for a broken invariant, which names the node, the step and the time."""

from __future__ import annotations

from functools import partial
from typing import NoReturn

from coterie.errors import InvariantViolated
from coterie.protocols.algorithm import NodeId

__all__ = ["Violation", "ViolationContext"]


class Violation(InvariantViolated):
    """An invariant does not hold.

    Attributes:
        invariant: its stable name, such as `raft.election_safety`.
        detail: what was observed.
        node: the node at which it was observed; None if it concerns all nodes.
        step: the number of the step that broke it.
        time_s: the moment of that step (s).
    """

    def __init__(self, invariant: str, detail: str, *, node: NodeId | None, step: int, time_s: float) -> None:
        where = "the group" if node is None else node
        super().__init__(f"{invariant} broken at {where}, step {step}, {time_s:.6f} s: {detail}")
        self.invariant = invariant
        self.detail = detail
        self.node = node
        self.step = step
        self.time_s = time_s

    def __reduce__(self) -> tuple[object, ...]:
        """Support pickling between processes (by default an exception is rebuilt from its message alone)."""
        again = partial(type(self), self.invariant, self.detail, node=self.node, step=self.step, time_s=self.time_s)
        return again, ()


class ViolationContext:
    """The current step and time, which every violation names.

    The driver of the checkers sets `step` and `time_s` before each step. Several checkers may share one context.
    """

    __slots__ = ("step", "time_s")

    def __init__(self) -> None:
        self.step = 0
        self.time_s = 0.0

    def fail(self, invariant: str, node: NodeId | None, detail: str) -> NoReturn:
        """Raise a `Violation` of `invariant` at the current step and time."""
        raise Violation(invariant, detail, node=node, step=self.step, time_s=self.time_s)
