"""`Register` and `KeyValue`: model a register with compare-and-swap, and one key of a key-value store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from enum import Enum
from typing import Final

from coterie.protocols.checking.linearizability.models.model import Model
from coterie.protocols.checking.linearizability.operation import Operation
from coterie.protocols.checking.linearizability.values import UNKNOWN, Datum, Output

__all__ = ["KeyValue", "Register"]


class Register(Model[Datum]):
    """A register with compare-and-swap.

    | input | output |
    | --- | --- |
    | `("read",)` | the value |
    | `("write", value)` | None |
    | `("compare_and_swap", expected, value)` | whether the value was `expected` and now is `value` |
    """

    has_finite_states = True

    def __init__(self, initial: Datum = None) -> None:
        self._initial = initial

    def initial(self) -> Datum:
        """Return the initial value of the register."""
        return self._initial

    def step(self, state: Datum, input: Datum, output: Output, /) -> tuple[bool, Datum]:  # noqa: A002
        """Read, write, or compare and swap."""
        match input:
            case ("read",):
                return output is UNKNOWN or output == state, state
            case ("write", value):
                return True, value
            case ("compare_and_swap", expected, value):
                swaps = state == expected
                return output is UNKNOWN or output == swaps, value if swaps else state
        raise ValueError(f"a register has no {input!r}; it has read, write and compare_and_swap, see its table")

    def only_reads(self, operation: Operation) -> bool:
        """Return whether it is a read, or was refused."""
        return _only_reads(operation)

    def simplified(self, operations: Sequence[Operation]) -> Sequence[Operation]:
        """Merge values that no operation looks for into one."""
        return _simplified(operations)


class KeyValue(Model[Datum]):
    """One key of a key-value store; None is the value of an absent key. Outputs are those of the store's client.

    | input | output |
    | --- | --- |
    | `("get",)` | the value, or None |
    | `("put", value)` | None |
    | `("delete",)` | whether the key was there |
    | `("compare_and_swap", expected, value)` | whether the value was `expected` and now is `value` |
    """

    has_finite_states = True

    def initial(self) -> Datum:
        """Return None: the key is absent."""
        return None

    def step(self, state: Datum, input: Datum, output: Output, /) -> tuple[bool, Datum]:  # noqa: A002
        """Get, put, delete, or compare and swap."""
        match input:
            case ("get",):
                return output is UNKNOWN or output == state, state
            case ("put", value):
                return True, value
            case ("delete",):
                return output is UNKNOWN or output == (state is not None), None
            case ("compare_and_swap", expected, value):
                swaps = state == expected
                return output is UNKNOWN or output == swaps, value if swaps else state
        raise ValueError(f"a key has no {input!r}; it has get, put, delete and compare_and_swap, see its table")

    def only_reads(self, operation: Operation) -> bool:
        """Return whether it is a read, or was refused."""
        return _only_reads(operation)

    def simplified(self, operations: Sequence[Operation]) -> Sequence[Operation]:
        """Merge values that no operation looks for into one."""
        return _simplified(operations)


class _Unseen(Enum):
    """Replaces every value that no operation looks for: no operation can distinguish them."""

    UNSEEN = "unseen"

    def __repr__(self) -> str:
        return "a value that no operation saw"


_UNSEEN: Final[Datum] = _Unseen.UNSEEN  # type: ignore[assignment]  # it is used like a value, and equals no other


def _only_reads(operation: Operation) -> bool:
    match operation.input:
        case (("read" | "get"),):
            return True
        case ("delete",) | ("compare_and_swap", _, _):
            return operation.output is False
    return False


def _simplified(operations: Sequence[Operation]) -> Sequence[Operation]:
    """Merge unseen values: then all unseen writes have one input, and the search needs at most one of them.

    Otherwise every write of unknown outcome is one more candidate at every later moment. None is not merged: it is an
    absent key, which a delete distinguishes from any value.
    """
    seen = {None: None} | dict.fromkeys(it for each in operations for it in _looked_for(each))
    return [_merged(operation, seen) for operation in operations]


def _looked_for(operation: Operation) -> Iterator[Datum]:
    match operation.input:
        case (("read" | "get"),):
            if operation.output is not UNKNOWN and operation.returned_at is not None:
                yield operation.output
        case ("compare_and_swap", expected, _):
            yield expected


def _merged(operation: Operation, seen: dict[Datum, None]) -> Operation:
    match operation.input:
        case (("write" | "put") as verb, value) if value not in seen:
            return replace(operation, input=(verb, _UNSEEN))
        case ("compare_and_swap" as verb, expected, value) if value not in seen:
            return replace(operation, input=(verb, expected, _UNSEEN))
    return operation
