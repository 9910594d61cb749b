"""`decide`: decides whether the operations on one key are linearizable, within a limited number of search steps."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from coterie.protocols.checking.linearizability.models.model import Model
from coterie.protocols.checking.linearizability.operation import Operation
from coterie.protocols.checking.linearizability.search import Answer, Search
from coterie.protocols.checking.linearizability.search_problem import SearchProblem

__all__ = ["Decision", "decide"]

S = TypeVar("S", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Decision(Generic[S]):
    """The answer, how many steps it took, and the search that found it."""

    answer: Answer
    steps: int
    search: Search[S]


def decide(operations: Sequence[Operation], model: Model[S], budget: int) -> Decision[S]:
    """Decide, in about `budget` steps.

    If there are operations of unknown outcome, the uncounted problem may be quicker to refute. It is tried when an
    eighth of the budget has not sufficed for the counted problem, which then gets the rest.
    """
    simplified = model.simplified(operations)
    counted = _search(simplified, model, is_counted=True)
    first = max(1, budget // 8)
    answer = counted.run(first)
    if answer is not Answer.SPENT or budget == first:
        return Decision(answer, counted.steps, counted)
    steps = 0
    if model.has_finite_states and any(it.returned_at is None for it in simplified):
        easier = _search(simplified, model, is_counted=False)
        if easier.run(budget // 2) is Answer.NONE:
            return Decision(Answer.NONE, counted.steps + easier.steps, easier)
        steps = easier.steps
    answer = counted.run(max(1, budget - counted.steps - steps))
    return Decision(answer, counted.steps + steps, counted)


def _search(operations: Sequence[Operation], model: Model[S], *, is_counted: bool) -> Search[S]:
    problem = SearchProblem(operations, model.only_reads, is_counted=is_counted)
    return Search(problem, model.initial(), model.stepper(operations))
