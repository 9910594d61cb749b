"""`Search`: searches for a linearization by the algorithm of Wing and Gong, and visits no state twice.

After J. M. Wing, C. Gong: "Testing and verifying concurrent objects" (1993): choose, among the operations that no
other must precede, one that fits, and continue; if none fits, backtrack. As in G. Lowe: "Testing for linearizability"
(2017), a configuration (the linearized operations and the state) is searched only once, and operations are linearized
just in time for a return. Searching key by key is the P-compositionality of A. Horn, D. Kroening: "Faster
linearizability checking via P-compositionality" (2015).

One rule is added for operations of unknown outcome: using fewer of them is never worse. So a configuration is skipped
too if an earlier one had the same returned operations and the same state, and used no more operations of any kind that
did not return.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from enum import Enum
from itertools import chain
from typing import Generic, TypeAlias, TypeVar

from coterie.protocols.checking.linearizability.models.model import Step
from coterie.protocols.checking.linearizability.operation import Operation
from coterie.protocols.checking.linearizability.search_problem import SearchProblem

__all__ = ["Answer", "Search"]

S = TypeVar("S", bound=Hashable)

_Place: TypeAlias = tuple[int, int, int, S]
"""A configuration of the search: frontier, bits of the linearized operations that still run, `taken`, state."""

_Move: TypeAlias = tuple[tuple[int, Operation], _Place[S]]
"""The operation that is linearized, with its frontier, and the resulting configuration."""


class Answer(Enum):
    """The result of a search: a linearization, none, or the budget was spent."""

    FOUND = "found"
    NONE = "none"
    SPENT = "spent"


class Search(Generic[S]):
    """One search through one problem.

    Attributes:
        steps: how many times the model was called.
        deepest: the last frontier that was reached; if there is no linearization, the return that fits in no order.
        order: the linearization; if there is none, an order that fits and leads to `deepest`. Each operation comes with
            the frontier at which it was linearized.
    """

    def __init__(self, problem: SearchProblem, initial: S, step: Step[S]) -> None:
        self._problem = problem
        self._step = step
        self._taken_by_place: dict[tuple[int, int, S], list[int]] = {(0, 0, initial): [0]}
        self._path: list[tuple[int, Operation]] = []
        self._depth = 0  # of the path when it first reached `deepest`
        self._is_noted = False
        self.steps = 0
        self.deepest = 0
        self.order: Sequence[tuple[int, Operation]] = ()
        # An explicit stack: histories are deeper than Python's recursion limit.
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
        """Search until the answer is certain or about `budget` more steps are spent; call again to continue."""
        end, limit = len(self._problem.frontiers), self.steps + budget
        if not end:
            return Answer.FOUND  # nothing returned, so nothing must have happened
        while self._choices:
            if self.steps >= limit:
                return Answer.SPENT
            move = next(self._choices[-1], None)
            if move is None:
                self._backtrack()
            elif move[1][0] == end:
                self.order = (*self._path, move[0])
                return Answer.FOUND
            elif self._is_new(move[1]):
                self._descend(move)
        return Answer.NONE

    def _descend(self, move: _Move[S]) -> None:
        self._path.append(move[0])
        self._choices.append(self._moves(move[1]))
        if move[1][0] > self.deepest:
            self.deepest, self._depth, self._is_noted = move[1][0], len(self._path), False

    def _backtrack(self) -> None:
        if not self._is_noted:  # this is the first step back from the deepest configuration so far
            self._is_noted, self.order = True, tuple(self._path[: self._depth])
        self._choices.pop()
        del self._path[-1:]

    def _moves(self, place: _Place[S]) -> Iterator[_Move[S]]:
        """Return the possible moves: first operations whose return is next, last those that need not happen at all.

        A read that fits is taken at once: any operation that could come before it could come after it as well.
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
        """Yield moves of operations of unknown outcome: first those that make the next return possible."""
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
        """Skip the returns of linearized operations, which frees their bits."""
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
