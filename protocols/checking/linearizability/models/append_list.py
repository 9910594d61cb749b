"""`AppendList`: models a list that only grows: specifies the results of append and read."""

from __future__ import annotations

from collections.abc import Sequence

from coterie.protocols.checking.linearizability.models.model import Model, Step
from coterie.protocols.checking.linearizability.operation import Operation
from coterie.protocols.checking.linearizability.values import UNKNOWN, Datum, Output

__all__ = ["AppendList"]

Items = tuple[Datum, ...]


class AppendList(Model[Items]):
    """A list under one key. Reads show the order of all appends, which makes it the strictest test of an order.

    | input | output |
    | --- | --- |
    | `("append", value)` | None, or the new length of the list |
    | `("read",)` | the whole list, as a tuple |
    """

    def initial(self) -> Items:
        """Return the empty list."""
        return ()

    def step(self, state: Items, input: Datum, output: Output, /) -> tuple[bool, Items]:  # noqa: A002
        """Append or read."""
        match input:
            case ("append", value):
                return output is UNKNOWN or output is None or output == len(state) + 1, (*state, value)
            case ("read",):
                return output is UNKNOWN or output == state, state
        raise ValueError(f"a list has no {input!r}; it has append and read, see its table")

    def only_reads(self, operation: Operation) -> bool:
        """Return whether it is a read."""
        return operation.input == ("read",)

    def simplified(self, operations: Sequence[Operation]) -> Sequence[Operation]:
        """Leave out appends of unknown outcome that no read shows, unless an append returned a length."""
        if any(isinstance(operation.output, int) for operation in operations):
            return operations
        shown = dict.fromkeys(_longest_read(operations))
        return [it for it in operations if it.returned_at is not None or _value(it) in shown]

    def stepper(self, operations: Sequence[Operation]) -> Step[Items]:
        """Refuse appends that contradict the longest list that was read: they lead to no linearization."""
        longest = _longest_read(operations)

        def step(state: Items, input: Datum, output: Output, /) -> tuple[bool, Items]:  # noqa: A002
            fits, after = self.step(state, input, output)
            length = len(state)
            return fits and (len(after) == length or length >= len(longest) or after[length] == longest[length]), after

        return step


def _longest_read(operations: Sequence[Operation]) -> Items:
    """Return the longest list that was read for certain: it holds everything appended until then, in order."""
    longest: Items = ()
    for operation in operations:
        output = operation.output
        if operation.returned_at is not None and operation.input == ("read",) and isinstance(output, tuple):
            longest = output if len(output) > len(longest) else longest
    return longest


def _value(operation: Operation) -> Datum:
    match operation.input:
        case ("append", value):
            return value
    return None
