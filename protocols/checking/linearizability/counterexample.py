"""Why a history is not linearizable, in as few operations as possible.

Leaving an operation out would be unsound: without the write, every read of its value is wrong. So operations are not
left out but set *free*: a free one may take effect at any time after its invocation, or never, like one of unknown
outcome (where states are finitely many, even again and again, because that is quicker to refute). What is impossible
although all others are free is impossible in the whole history too.
"""

from __future__ import annotations

from collections.abc import Container, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from coterie.protocols.checking.linearizability.decision import Decision
from coterie.protocols.checking.linearizability.models.model import Model
from coterie.protocols.checking.linearizability.operation import Operation
from coterie.protocols.checking.linearizability.search import Answer, Search
from coterie.protocols.checking.linearizability.search_problem import Problem
from coterie.protocols.checking.linearizability.values import Key

__all__ = ["Counterexample", "cut_down"]

S = TypeVar("S", bound=Hashable)

_SHOWN_STATES = 8
_SHOWN = 16


@dataclass(frozen=True, slots=True)
class Counterexample:
    """Operations that cannot all have happened as their clients saw them.

    Attributes:
        key: what they are about.
        operations: the conflicting ones, in the order of invocation. With any one of them free, the rest could be.
        free: the others that were invoked before the conflict ended; none of them is left out, all are free.
        order: an order of some of both that fits the times and the model, as long as any.
        stuck: the conflicting operation that had to come next, and does not fit.
        states: repr of each state that it might have found: first that at the end of `order`, then those of others.
        is_minimal: whether nothing more can be set free; False if the budget did not suffice to tell.
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
        """The conflict in words, several lines: who saw what, and why it cannot be."""
        return "\n".join([self._headline(), *self._conflicting(), *self._ordered(), self._conclusion()])

    def _headline(self) -> str:
        where = "" if self.key is None else f" under key {self.key!r}"
        perhaps = "" if self.is_minimal else " (perhaps fewer would do: the budget did not suffice to find out)"
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
            lines.append(f"even if all else before ({len(self.free)}) may have happened late, or never;")
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
            f"{self.stuck.returned_s:.6g} s, but it could find no other state than: {shown}{more}"
        )


def cut_down(operations: Sequence[Operation], model: Model[S], decision: Decision[S], *, budget: int) -> Counterexample:
    """Return a counterexample of as few operations as `budget` steps can find.

    Args:
        operations: operations of one key that are not linearizable.
        model: of which they are not.
        decision: which said so.
        budget: how often the model may be asked, about; with too little of it the result is larger, never wrong.
    """
    until_stuck = _Cutter(operations, model, decision.search.stuck.returned_at or 0, decision.search, budget)
    if until_stuck.cut():
        return until_stuck.counterexample()
    # A stepper that looks ahead may have known more than what was invoked until then.
    whole = _Cutter(operations, model, 1 + max(_last_place(it) for it in operations), decision.search, budget)
    whole.cut()
    return whole.counterexample()


def _last_place(operation: Operation) -> int:
    return operation.invoked_at if operation.returned_at is None else operation.returned_at


class _Cutter(Generic[S]):
    """Cuts down what was invoked before `end`; `refuted` is the latest of the searches that found nothing."""

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

    def cut(self) -> bool:
        """Return whether what was invoked before `end` is impossible by itself, and can be shown to be."""
        window = self._window() if self._model.has_finite_states else None
        if window is None:  # the easier problem does not show it
            self._is_counted, self._is_certain = True, True
            window = self._window()
        if window is not None:
            self._kept = self._thinned(window)
        return window is not None

    def counterexample(self) -> Counterexample:
        """Tell what is left, with the search that refuted it."""
        kept = dict.fromkeys(self._kept)
        original = {it.number: it for it in self._before}
        order = [original[operation.number] for _, operation in self._refuted.order]
        return Counterexample(
            key=self._before[0].key,
            operations=[it for it in self._before if it.number in kept],
            free=[it for it in self._before if it.number not in kept],
            order=order,
            stuck=original[self._refuted.stuck.number],
            # The first is that at the end of `order`: as it was before the model simplified it.
            states=[repr(state) for state in (self._after(order), *self._refuted.states[1:])],
            is_minimal=self._is_certain,
        )

    def _after(self, order: Sequence[Operation]) -> S:
        state = self._model.initial()
        for operation in order:
            _, state = self._model.step(state, operation.input, operation.output)
        return state

    def _window(self) -> Sequence[int] | None:
        """Return the last few returns that are impossible by themselves, doubling their number."""
        size, count = 1, len(self._kept)
        while size < 2 * count:
            if self._is_refuted(self._kept[-size:]):
                return self._kept[-size:]
            size *= 2
        return None

    def _thinned(self, kept: Sequence[int]) -> Sequence[int]:
        """Set free by halves, quarters, …, one by one. More freedom never hurts, so one pass of ones is final."""
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
        problem = Problem(operations, self._model.only_reads, is_counted=self._is_counted)
        return Search(problem, self._model.initial(), self._model.stepper(operations))
