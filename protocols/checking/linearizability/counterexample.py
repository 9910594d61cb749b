"""`Counterexample`: shows why a history is not linearizable, with as few of its operations as possible.

Removing an operation would be unsound: without the write, every read of its value is wrong. So operations are not
removed but set *free*: a free operation may take effect at any time after its invocation, or never, like one of unknown
outcome (where states are finitely many, even repeatedly, because that is quicker to refute). Operations that conflict
although all others are free conflict in the whole history too.
"""

from __future__ import annotations

from collections.abc import Container, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from coterie.protocols.checking.linearizability.decision import Decision
from coterie.protocols.checking.linearizability.models.model import Model
from coterie.protocols.checking.linearizability.operation import Operation
from coterie.protocols.checking.linearizability.search import Answer, Search
from coterie.protocols.checking.linearizability.search_problem import SearchProblem
from coterie.protocols.checking.linearizability.values import Key

__all__ = ["Counterexample", "shrink_counterexample"]

S = TypeVar("S", bound=Hashable)

_SHOWN_STATES = 8
_SHOWN = 16


@dataclass(frozen=True, slots=True)
class Counterexample:
    """Operations that cannot all have happened as their clients observed them.

    Attributes:
        key: the key of all of them.
        operations: the conflicting ones, in the order of invocation. With any one of them free, the others do not
            conflict.
        free: all other operations that were invoked before the conflict ended.
        order: a longest order of operations from both lists that agrees with the times and the model.
        stuck: the conflicting operation that had to come next, but fits in no reachable state.
        states: repr of each state in which it was tried: first the state after `order`, then those after other orders.
        is_minimal: whether no further operation can be set free; False if the budget did not suffice to decide.
    """

    key: Key
    operations: Sequence[Operation]
    free: Sequence[Operation]
    order: Sequence[Operation]
    stuck: Operation
    states: Sequence[str]
    is_minimal: bool

    @property
    def text(self) -> str:
        """The conflict as text of several lines: the operations, and why they conflict."""
        return "\n".join([self._headline(), *self._conflicting(), *self._ordered(), self._conclusion()])

    def _headline(self) -> str:
        where = "" if self.key is None else f" under key {self.key!r}"
        perhaps = "" if self.is_minimal else " (perhaps not the fewest: the budget did not suffice to decide)"
        count = len(self.operations)
        what = "this operation" if count == 1 else f"these {count} operations"
        return f"no order explains {what}{where}{perhaps}:"

    def _conflicting(self) -> list[str]:
        shown, left_out = self.operations[-_SHOWN:], len(self.operations) - _SHOWN
        client_width = max(len(it.client) for it in shown)
        call_width = max(len(it.call) for it in shown)
        lines = [f"  … {left_out} more"] if left_out > 0 else []
        lines += [f"  {it.client:<{client_width}}  {it.call:<{call_width}}  {it.interval}" for it in shown]
        if self.free:
            lines.append(f"even if all other operations before ({len(self.free)}) happened late, or never;")
        return lines

    def _ordered(self) -> list[str]:
        if not self.order:
            return []
        conflicting = [it.number for it in self.operations]
        left_out = len(self.order) - _SHOWN
        lines = [f"  … {left_out} more"] if left_out > 0 else []
        for it in self.order[-_SHOWN:]:
            other = "" if it.number in conflicting else ", one of the others"
            lines.append(f"  {it.call}  by {it.client}{other}")
        return ["an order that goes as far as any:", *lines]

    def _conclusion(self) -> str:
        shown = ", ".join(self.states[:_SHOWN_STATES])
        more = f", or {len(self.states) - _SHOWN_STATES} more" if len(self.states) > _SHOWN_STATES else ""
        return (
            f"then {self.stuck.call} by {self.stuck.client} had to happen before it returned at "
            f"{self.stuck.returned_s:.6g} s, but the only reachable states were: {shown}{more}"
        )


def shrink_counterexample(
    operations: Sequence[Operation], model: Model[S], decision: Decision[S], *, budget: int
) -> Counterexample:
    """Return a counterexample of as few operations as `budget` steps can find.

    Args:
        operations: operations of one key that are not linearizable.
        model: the specification that they violate.
        decision: the refutation.
        budget: about how many times the model may be called; if it is too small, the result is larger, never wrong.
    """
    until_stuck = _Shrinker(operations, model, decision.search.stuck.returned_at or 0, decision.search, budget)
    if until_stuck.shrink():
        return until_stuck.counterexample()
    # A stepper that looks ahead may have used operations that were invoked later.
    whole = _Shrinker(operations, model, 1 + max(_last_place(it) for it in operations), decision.search, budget)
    whole.shrink()
    return whole.counterexample()


def _last_place(operation: Operation) -> int:
    return operation.invoked_at if operation.returned_at is None else operation.returned_at


class _Shrinker(Generic[S]):
    """Shrinks the set of operations invoked before `end`; `refuted` is the last search that found no linearization."""

    def __init__(
        self, operations: Sequence[Operation], model: Model[S], end: int, refuted: Search[S], budget: int
    ) -> None:
        self._model = model
        self._refuted = refuted
        self._is_counted = False
        self._before = [it for it in operations if it.invoked_at < end]
        returned = [(it.returned_at, it.number) for it in self._before if it.returned_at is not None]
        self._kept: Sequence[int] = [number for place, number in sorted(returned) if place <= end]
        self._budget = budget
        self._is_certain = True

    def shrink(self) -> bool:
        """Return whether the operations invoked before `end` alone were shown to conflict."""
        suffix = self._smallest_refuted_suffix() if self._model.has_finite_states else None
        if suffix is None:  # the uncounted problem does not show the conflict
            self._is_counted, self._is_certain = True, True
            suffix = self._smallest_refuted_suffix()
        if suffix is not None:
            self._kept = self._minimized(suffix)
        return suffix is not None

    def counterexample(self) -> Counterexample:
        """Return the remaining operations, with the search that refuted them."""
        kept = dict.fromkeys(self._kept)
        original = {it.number: it for it in self._before}
        order = [original[operation.number] for _, operation in self._refuted.order]
        return Counterexample(
            key=self._before[0].key,
            operations=[it for it in self._before if it.number in kept],
            free=[it for it in self._before if it.number not in kept],
            order=order,
            stuck=original[self._refuted.stuck.number],
            # The first is the state after `order`, with the inputs as they were before the model simplified them.
            states=[repr(state) for state in (self._after(order), *self._refuted.states[1:])],
            is_minimal=self._is_certain,
        )

    def _after(self, order: Sequence[Operation]) -> S:
        state = self._model.initial()
        for operation in order:
            _, state = self._model.step(state, operation.input, operation.output)
        return state

    def _smallest_refuted_suffix(self) -> Sequence[int] | None:
        """Return the last few returns that conflict by themselves; their number is doubled until they do."""
        size, count = 1, len(self._kept)
        while size < 2 * count:
            if self._is_refuted(self._kept[-size:]):
                return self._kept[-size:]
            size *= 2
        return None

    def _minimized(self, kept: Sequence[int]) -> Sequence[int]:
        """Set operations free by halves, quarters, …, one by one. One pass of ones is final: freedom is monotone."""
        size = len(kept)
        while size := size // 2:
            start = 0
            while start < len(kept):
                fewer = [*kept[:start], *kept[start + size :]]
                if fewer and self._is_refuted(fewer):
                    kept = fewer
                else:
                    start += size
        return kept

    def _is_refuted(self, kept: Sequence[int]) -> bool:
        search = self._search(dict.fromkeys(kept))
        answer = search.run(max(1, self._budget // 4))
        self._budget -= search.steps
        if answer is Answer.NONE:
            self._refuted = search
        self._is_certain = self._is_certain and answer is not Answer.SPENT
        return answer is Answer.NONE

    def _search(self, kept: Container[int]) -> Search[S]:
        freed = [it if it.number in kept else replace(it, returned_at=None) for it in self._before]
        operations = self._model.simplified(freed)
        problem = SearchProblem(operations, self._model.only_reads, is_counted=self._is_counted)
        return Search(problem, self._model.initial(), self._model.stepper(operations))
