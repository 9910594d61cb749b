"""The search for a linearization: Wing and Gong's, with memory.

After J. M. Wing, C. Gong: "Testing and verifying concurrent objects" (1993): choose, among the operations that no
other must precede, one that fits, and go on; if none fits, go back. As in G. Lowe: "Testing for linearizability"
(2017), what was reached once (the linearized operations and the state) is not searched again, and operations are
linearized just in time for a return. That it is done key by key is the P-compositionality of A. Horn, D. Kroening:
"Faster linearizability checking via P-compositionality" (2015).

Ours is one more thing about operations of unknown outcome: to have needed fewer of them is never worse. So what
was reached before with the same operations that returned, the same state, and no more of any kind of those that did
not return, is not searched again either.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from enum import Enum
from itertools import chain
from typing import Generic, TypeAlias, TypeVar

from coterie.protocols.checking.linearizability.models.model import Step
from coterie.protocols.checking.linearizability.operation import Operation
from coterie.protocols.checking.linearizability.search_problem import Problem

__all__ = ["Answer", "Search"]

S = TypeVar("S", bound=Hashable)

_Place: TypeAlias = tuple[int, int, int, S]
"""Where the search is: frontier, bits of the linearized operations that still run, `taken`, state."""

_Move: TypeAlias = tuple[tuple[int, Operation], _Place[S]]
"""What is linearized at which frontier, and where that leads."""


class Answer(Enum):
    """What a search found."""

    FOUND = "found"
    NONE = "none"
    SPENT = "spent"


class Search(Generic[S]):
    """One search through one problem.

    Attributes:
        steps: how often the model was asked.
        deepest: the last frontier that was reached; if there is no linearization, the return that no order explains.
        order: the linearization; if there is none, an order that fits and leads to `deepest`. With each operation the
            frontier at which it was taken.
    """

    def __init__(self, problem: Problem, initial: S, step: Step[S]) -> None:
        self._problem = problem
        self._step = step
        self._taken_by_place: dict[tuple[int, int, S], list[int]] = {(0, 0, initial): [0]}
        self._path: list[tuple[int, Operation]] = []
        self._depth = 0  # of the path, where it first came to `deepest`
        self._is_noted = False
        self.steps = 0
        self.deepest = 0
        self.order: Sequence[tuple[int, Operation]] = ()
        # A stack of our own: histories are deeper than Python's.
        self._choices = [self._moves((0, 0, 0, initial))] if problem.frontiers else []

    @property
    def stuck(self) -> Operation:
        """The operation whose return is at `deepest`."""
        return self._problem.frontiers[self.deepest].operation

    @property
    def states(self) -> Sequence[S]:
        """The states in which the return at `deepest` was tried, in the order in which they were found."""
        reached = {state: None for frontier, _, state in self._taken_by_place if frontier == self.deepest}
        return tuple(reached)

    def run(self, budget: int) -> Answer:
        """Search until the answer is certain, or the model was asked about `budget` times more; it may be run again."""
        end, limit = len(self._problem.frontiers), self.steps + budget
        if not end:
            return Answer.FOUND  # nothing returned, so nothing need have happened
        while self._choices:
            if self.steps >= limit:
                return Answer.SPENT
            move = next(self._choices[-1], None)
            if move is None:
                self._back()
            elif move[1][0] == end:
                self.order = (*self._path, move[0])
                return Answer.FOUND
            elif self._is_new(move[1]):
                self._forth(move)
        return Answer.NONE

    def _forth(self, move: _Move[S]) -> None:
        self._path.append(move[0])
        self._choices.append(self._moves(move[1]))
        if move[1][0] > self.deepest:
            self.deepest, self._depth, self._is_noted = move[1][0], len(self._path), False

    def _back(self) -> None:
        if not self._is_noted:  # this is the first step back from the deepest place so far
            self._is_noted, self.order = True, tuple(self._path[: self._depth])
        self._choices.pop()
        del self._path[-1:]

    def _moves(self, place: _Place[S]) -> Iterator[_Move[S]]:
        """Return what may be linearized next: first what must be soonest, last what need not be at all.

        What fits and only reads is taken at once: what could come before it, could come after it just as well.
        """
        frontier, linearized, taken, state = place
        step = self._step
        moves: list[_Move[S]] = []
        for bit, operation, only_reads in self._problem.frontiers[frontier].running:
            if not linearized & bit:
                self.steps += 1
                fits, after = step(state, operation.input, operation.output)
                if fits:
                    move = (frontier, operation), (*self._passed(frontier, linearized | bit), taken, after)
                    if only_reads:
                        return iter((move,))
                    moves.append(move)
        return chain(moves, self._optional_moves(place))

    def _optional_moves(self, place: _Place[S]) -> Iterator[_Move[S]]:
        """Yield first what makes the next return possible: others lead far away before they lead back."""
        frontier, linearized, taken, state = place
        step, required = self._step, self._problem.frontiers[frontier].operation
        others: list[_Move[S]] = []
        before = required.returned_at or 0
        for kind in self._problem.kinds_before(before):
            operation = kind.next(taken, before)
            if operation is not None:
                self.steps += 1
                fits, after = step(state, operation.input, operation.output)
                if fits and after != state:
                    self.steps += 1
                    move = (frontier, operation), (frontier, linearized, taken + kind.one, after)
                    if step(after, required.input, required.output)[0]:
                        yield move
                    else:
                        others.append(move)
        yield from others

    def _passed(self, frontier: int, linearized: int) -> tuple[int, int]:
        """Go past the returns of operations that are linearized; their bits are free then."""
        frontiers = self._problem.frontiers
        while frontier < len(frontiers) and linearized & frontiers[frontier].bit:
            linearized ^= frontiers[frontier].bit
            frontier += 1
        return frontier, linearized

    def _is_new(self, place: _Place[S]) -> bool:
        frontier, linearized, taken, state = place
        known = self._taken_by_place.setdefault((frontier, linearized, state), [])
        if any(self._problem.took_no_more(earlier, taken) for earlier in known):
            return False
        known.append(taken)
        return True
