"""One operation as its client saw it."""

from __future__ import annotations

from dataclasses import dataclass

from coterie.protocols.checking.linearizability.values import UNKNOWN, Datum, Key, Output

__all__ = ["Operation"]


@dataclass(frozen=True, slots=True)
class Operation:
    """What a client asked for and what it was told.

    Attributes:
        number: which operation of its history, counted from 0 in the order of invocation.
        client: who asked. A client may have several operations in flight.
        key: what it is about; None if the history is about one object.
        input: what was asked: by custom a verb and its arguments, such as `("put", b"1")`.
        output: what was told; `UNKNOWN` if nothing was.
        invoked_at: its place among all events of the history; places order the events, seconds only illustrate.
        returned_at: the place of its return, before which it took effect. None: its outcome is unknown, it may have
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
        """What was asked and told, as people write it: `put('x') -> None`, `get() -> ?`."""
        told = "?" if self.output is UNKNOWN else repr(self.output)
        match self.input:
            case (str() as verb, *arguments):
                return f"{verb}({', '.join(repr(argument) for argument in arguments)}) -> {told}"
            case _:
                return f"{self.input!r} -> {told}"

    @property
    def interval(self) -> str:
        """When it ran, as people write it: `0.100 … 0.250 s`, open-ended if its outcome is unknown."""
        end = "?" if self.returned_s is None else f"{self.returned_s:.6g} s"
        return f"{self.invoked_s:.6g} … {end}"
