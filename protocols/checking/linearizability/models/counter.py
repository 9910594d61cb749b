"""`Counter`: the sequential model of a counter, which specifies the results of increment and read."""

from __future__ import annotations

from coterie.protocols.checking.linearizability.models.model import Model
from coterie.protocols.checking.linearizability.operation import Operation
from coterie.protocols.checking.linearizability.values import UNKNOWN, Datum, Output

__all__ = ["Counter"]


class Counter(Model[int]):
    """A number under one key, which begins at 0.

    | input | output |
    | --- | --- |
    | `("increment", by)`, or `("increment",)` by 1 | None, or the sum |
    | `("read",)` | the sum |
    """

    def initial(self) -> int:
        """Return 0."""
        return 0

    def step(self, state: int, input: Datum, output: Output, /) -> tuple[bool, int]:  # noqa: A002
        """Increment or read."""
        match input:
            case ("increment",):
                return output is UNKNOWN or output is None or output == state + 1, state + 1
            case ("increment", int() as by):
                return output is UNKNOWN or output is None or output == state + by, state + by
            case ("read",):
                return output is UNKNOWN or output == state, state
        raise ValueError(f"a counter has no {input!r}; it has increment and read, see its table")

    def only_reads(self, operation: Operation) -> bool:
        """Return whether it is a read."""
        return operation.input == ("read",)
