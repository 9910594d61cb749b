"""`check`: checks whether a history is linearizable: answers yes, no, or unknown if the search takes too many steps."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from coterie.protocols.checking.linearizability.counterexample import Counterexample, shrink_counterexample
from coterie.protocols.checking.linearizability.decision import decide
from coterie.protocols.checking.linearizability.history import HistoryError
from coterie.protocols.checking.linearizability.models.model import Model
from coterie.protocols.checking.linearizability.operation import Operation
from coterie.protocols.checking.linearizability.search import Answer
from coterie.protocols.checking.linearizability.values import Key

__all__ = ["BUDGET", "CheckResult", "Status", "check"]

S = TypeVar("S", bound=Hashable)

BUDGET = 2_000_000
"""How many times a check calls the model before it gives up. It takes seconds and at worst some hundred megabytes; a
history of 10,000 ordinary operations needs about 10,000."""


class Status(StrEnum):
    """The possible results of a check."""

    OK = "ok"
    VIOLATION = "violation"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of a check.

    Attributes:
        status: OK: linearizable. VIOLATION: certainly not. UNKNOWN: the budget did not suffice.
        operations: how many operations were checked.
        steps: how many times the model was called, not counting the shrinking of the counterexample.
        counterexample: the conflict, if the status is VIOLATION.
        undecided: the keys for which the budget did not suffice, in the order of their first operations.
    """

    status: Status
    operations: int
    steps: int
    counterexample: Counterexample | None = None
    undecided: Sequence[Key] = ()

    @property
    def is_ok(self) -> bool:
        """Whether the history is linearizable."""
        return self.status is Status.OK

    @property
    def text(self) -> str:
        """The result as a few lines of text."""
        text = f"{self.status.value}: {self.operations} operations, {self.steps} steps"
        if self.undecided:
            keys = ", ".join(repr(key) for key in self.undecided)
            text += f"; the budget did not suffice for key {keys}: raise budget="
        return text if self.counterexample is None else f"{text}\n{self.counterexample.text}"


def check(history: Iterable[Operation], model: Model[S], *, budget: int = BUDGET) -> CheckResult:
    """Check whether one order of the operations explains everything that clients observed, and respects real time.

    Args:
        history: a `History`, or its operations.
        model: the specification of the object under each key. Keys are checked separately (linearizability is local).
        budget: how many times the model may be called in all, at least 1. What easy keys do not use is left to the
            others. After a violation, shrinking its counterexample may cost as much again.

    Returns:
        The result. The check stops at the first key with a violation.

    Raises:
        HistoryError: some operations have a key and some have none.
        ValueError: the budget is below 1, or the model does not define an operation.
    """
    if budget < 1:
        raise ValueError(f"budget={budget}: at least one step is needed")
    operations = tuple(history)
    by_key = _by_key(operations)
    undecided = sorted(by_key, key=lambda key: len(by_key[key]))
    steps = 0
    for _ in range(2):  # the second time with the steps that easy keys did not use
        waiting, undecided = undecided, []
        for place, key in enumerate(waiting):
            decision = decide(by_key[key], model, max(1, (budget - steps) // (len(waiting) - place)))
            steps += decision.steps
            if decision.answer is Answer.NONE:
                example = shrink_counterexample(by_key[key], model, decision, budget=budget)
                return CheckResult(Status.VIOLATION, len(operations), steps, example)
            if decision.answer is Answer.SPENT:
                undecided.append(key)
    status = Status.UNKNOWN if undecided else Status.OK
    return CheckResult(status, len(operations), steps, undecided=tuple(key for key in by_key if key in undecided))


def _by_key(operations: Sequence[Operation]) -> Mapping[Key, Sequence[Operation]]:
    by_key: dict[Key, list[Operation]] = {}
    for operation in operations:
        by_key.setdefault(operation.key, []).append(operation)
    if None in by_key and len(by_key) > 1:
        without = by_key[None][0].number
        raise HistoryError(f"operation {without} has no key, but others have: give all operations keys, or none")
    return by_key
