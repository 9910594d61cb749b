"""`Operation`: holds one operation of a client: its input, its output, and the times at which it began and ended."""

from __future__ import annotations

from dataclasses import dataclass

from coterie.protocols.checking.linearizability.values import UNKNOWN, Datum, Key, Output

__all__ = ["Operation"]


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation of a client: its input and, if it returned, its output.

    Attributes:
        number: its number within the history, from 0 in the order of invocation.
        client: the client that invoked it. A client may have several operations in flight.
        key: the key of the object; None if the history is about one object.
        input: by custom a verb and its arguments, such as `("put", b"1")`.
        output: the returned value; `UNKNOWN` if there was none.
        invoked_at: the place of its invocation among all events of the history; places order the events, seconds are
            only informative.
        returned_at: the place of its return, before which it took effect. None: its outcome is unknown; it may have
            taken effect at any time after its invocation, or never (with this output, if there is one).
        invoked_s: when it was invoked (s).
        returned_s: when it returned (s); None like `returned_at`.
    """

    number: int
    client: str
    key: Key
    input: Datum
    output: Output
    invoked_at: int
    returned_at: int | None
    invoked_s: float
    returned_s: float | None

    @property
    def call(self) -> str:
        """Input and output as text: `put('x') -> None`, `get() -> ?`."""
        output = "?" if self.output is UNKNOWN else repr(self.output)
        match self.input:
            case (str() as verb, *arguments):
                return f"{verb}({', '.join(repr(argument) for argument in arguments)}) -> {output}"
            case _:
                return f"{self.input!r} -> {output}"

    @property
    def interval(self) -> str:
        """Its time interval as text: `0.1 … 0.25 s`, open-ended if its outcome is unknown."""
        end = "?" if self.returned_s is None else f"{self.returned_s:.6g} s"
        return f"{self.invoked_s:.6g} … {end}"
