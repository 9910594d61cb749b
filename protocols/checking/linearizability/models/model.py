"""`Model`: defines the interface of a sequential specification: initial state, and allowed results of operations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from typing import ClassVar, Generic, TypeVar

from coterie.protocols.checking.linearizability.operation import Operation
from coterie.protocols.checking.linearizability.values import Datum, Output

__all__ = ["Model", "Step"]

S = TypeVar("S", bound=Hashable)

Step = Callable[[S, Datum, Output], tuple[bool, S]]
"""`Model.step`, or a stricter one that uses the whole history."""


class Model(ABC, Generic[S]):
    """A sequential specification. A history is checked key by key: a model describes the object under one key.

    Users write their own with `initial` and `step` alone. States must be hashable and immutable, and states that
    compare equal must behave alike. The other members may shorten the search and never change its result.

        class Lock(Model[bool]):
            def initial(self) -> bool:
                return False
            def step(self, state, input, output):
                if input == ("acquire",):
                    return (output is UNKNOWN or output == (not state)), True
                return True, False
    """

    has_finite_states: ClassVar[bool] = False
    """Whether the operations of a history, repeated any number of times, lead to finitely many states (a register: yes;
    a counter: no). Then the search may first assume that operations of unknown outcome happen any number of times: this
    is much quicker and never changes the result. If it is wrongly True, the search runs until its budget is spent."""

    @abstractmethod
    def initial(self) -> S:
        """Return the state before the first operation."""

    @abstractmethod
    def step(self, state: S, input: Datum, output: Output, /) -> tuple[bool, S]:  # noqa: A002 (the usual term)
        """Return whether `input` may be answered by `output` in this state, and the state after it.

        An output of `UNKNOWN` always fits. If the answer is no, the returned state is not used. Must be a pure
        function. ValueError, which names the input, if there is no such operation.
        """

    def only_reads(self, operation: Operation) -> bool:
        """Return whether `operation` changes no state in which its output fits.

        True for a read, and for a refused swap. False for a write, even of the current value: in another order it
        may change the state.
        """
        del operation
        return False

    def simplified(self, operations: Sequence[Operation]) -> Sequence[Operation]:
        """Return operations (all of one key) that are linearizable exactly if these are, but easier to check.

        Only inputs may differ, and operations of unknown outcome may be missing.
        """
        return operations

    def stepper(self, operations: Sequence[Operation]) -> Step[S]:
        """Return `step`, or a stricter one that refuses steps which these operations (all of one key) rule out."""
        del operations
        return self.step
