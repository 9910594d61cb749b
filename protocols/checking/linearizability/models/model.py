"""What an object is supposed to do when one operation happens after another."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from typing import ClassVar, Generic, TypeVar

from coterie.protocols.checking.linearizability.operation import Operation
from coterie.protocols.checking.linearizability.values import Datum, Output

__all__ = ["Model", "Step"]

S = TypeVar("S", bound=Hashable)

Step = Callable[[S, Datum, Output], tuple[bool, S]]
"""`Model.step`, or one that knows the whole history."""


class Model(ABC, Generic[S]):
    """A sequential specification. A history is judged key by key: a model describes what is under one key.

    Users write their own with `initial` and `step` alone. States must be hashable and immutable, and states that
    compare equal must behave alike. The other members may make the search shorter and never change its result.

        class Lock(Model[bool]):
            def initial(self) -> bool:
                return False
            def step(self, state, input, output):
                if input == ("acquire",):
                    return (output is UNKNOWN or output == (not state)), True
                return True, False
    """

    has_finite_states: ClassVar[bool] = False
    """Whether the operations of a history, repeated at will, lead to finitely many states (a register: yes; a counter:
    no). Then a search may first pretend that operations of unknown outcome happen any number of times: far quicker, and
    no less certain where that does not help. With True where it is not, a search runs until its budget is spent."""

    @abstractmethod
    def initial(self) -> S:
        """Return the state before the first operation."""

    @abstractmethod
    def step(self, state: S, input: Datum, output: Output, /) -> tuple[bool, S]:  # noqa: A002 (its word)
        """Return whether `input` may be answered by `output` in this state, and the state after it.

        An output of `UNKNOWN` fits always. If the answer is no, the returned state is not used. Must be a pure
        function. ValueError, with the input named, if there is no such operation.
        """

    def only_reads(self, operation: Operation) -> bool:
        """Return whether `operation` leaves the state as it is wherever its output fits: by its kind, not by chance.

        A read does, and a swap that was refused. To write what is there already does not: later it may restore it.
        """
        del operation
        return False

    def simplified(self, operations: Sequence[Operation]) -> Sequence[Operation]:
        """Return other operations instead (all of one key) that are as linearizable as these, but easier to judge.

        Only inputs may differ, and operations whose outcome is unknown may be missing.
        """
        return operations

    def stepper(self, operations: Sequence[Operation]) -> Step[S]:
        """Return `step`, or one that refuses more: what leads nowhere if these operations (all of one key) are all."""
        del operations
        return self.step
