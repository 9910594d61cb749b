"""Is a history linearizable? Yes, no, or not known; never a wrong word."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from coterie.protocols.checking.linearizability.counterexample import Counterexample, cut_down
from coterie.protocols.checking.linearizability.decision import decide
from coterie.protocols.checking.linearizability.history import HistoryError
from coterie.protocols.checking.linearizability.models.model import Model
from coterie.protocols.checking.linearizability.operation import Operation
from coterie.protocols.checking.linearizability.search import Answer
from coterie.protocols.checking.linearizability.values import Key

__all__ = ["BUDGET", "Status", "Verdict", "check"]

S = TypeVar("S", bound=Hashable)

BUDGET = 2_000_000
"""How often a check asks the model before it gives up. Seconds and at worst some hundred megabytes; a history of
10,000 ordinary operations needs about 10,000."""


class Status(StrEnum):
    """What is known about a history."""

    OK = "ok"
    VIOLATION = "violation"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found.

    Attributes:
        status: OK: linearizable. VIOLATION: certainly not. UNKNOWN: the budget did not suffice.
        operations: how many were judged.
        steps: how often the model was asked, the cutting down of the counterexample not counted.
        counterexample: why not, if it is a violation.
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
        """The verdict as a few lines for people."""
        told = f"{self.status.value}: {self.operations} operations, {self.steps} steps"
        if self.undecided:
            keys = ", ".join(repr(key) for key in self.undecided)
            told += f"; the budget did not suffice for key {keys}: raise budget="
        return told if self.counterexample is None else f"{told}\n{self.counterexample.text}"


def check(history: Iterable[Operation], model: Model[S], *, budget: int = BUDGET) -> Verdict:
    """Judge whether one order of the operations explains everything that clients saw, and keeps to real time.

    Args:
        history: a `History`, or its operations.
        model: what the object under each key should do. Keys are judged one by one (linearizability is local).
        budget: how often the model may be asked in all, at least 1. Keys that are easy leave what they do not need to
            the others. A violation may cost as much again, to cut its counterexample down.

    Returns:
        The verdict. It stops at the first key with a violation.

    Raises:
        HistoryError: some operations have a key and some have none.
        ValueError: the budget is below 1, or the model knows no such operation.
    """
    if budget < 1:
        raise ValueError(f"budget={budget}: at least one step is needed")
    operations = tuple(history)
    by_key = _by_key(operations)
    undecided = sorted(by_key, key=lambda key: len(by_key[key]))
    steps = 0
    for _ in range(2):  # the second time with what the easy ones left
        waiting, undecided = undecided, []
        for place, key in enumerate(waiting):
            decision = decide(by_key[key], model, max(1, (budget - steps) // (len(waiting) - place)))
            steps += decision.steps
            if decision.answer is Answer.NONE:
                example = cut_down(by_key[key], model, decision, budget=budget)
                return Verdict(Status.VIOLATION, len(operations), steps, example)
            if decision.answer is Answer.SPENT:
                undecided.append(key)
    status = Status.UNKNOWN if undecided else Status.OK
    return Verdict(status, len(operations), steps, undecided=tuple(key for key in by_key if key in undecided))


def _by_key(operations: Sequence[Operation]) -> Mapping[Key, Sequence[Operation]]:
    by_key: dict[Key, list[Operation]] = {}
    for operation in operations:
        by_key.setdefault(operation.key, []).append(operation)
    if None in by_key and len(by_key) > 1:
        without = by_key[None][0].number
        raise HistoryError(f"operation {without} has no key, but others have: what it touches cannot be told")
    return by_key
