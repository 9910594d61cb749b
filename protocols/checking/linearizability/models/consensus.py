"""`Consensus`, `LogPositions`: model a value that is chosen once, and a log that returns the position of each entry."""

from __future__ import annotations

from coterie.protocols.checking.linearizability.models.model import Model
from coterie.protocols.checking.linearizability.operation import Operation
from coterie.protocols.checking.linearizability.values import UNKNOWN, Datum, Output

__all__ = ["Consensus", "LogPositions"]


class Consensus(Model[Datum]):
    """A value that is chosen once (Synod). None is never chosen: it means that there is no chosen value yet.

    | input | output |
    | --- | --- |
    | `("propose", value)` | the chosen value: this one, or an earlier one |
    | `("read",)` | the chosen value, or None if there is none |
    """

    has_finite_states = True

    def initial(self) -> Datum:
        """Return None: no value is chosen."""
        return None

    def step(self, state: Datum, input: Datum, output: Output, /) -> tuple[bool, Datum]:  # noqa: A002
        """Propose or read."""
        match input:
            case ("propose", value):
                chosen = value if state is None else state
                return output is UNKNOWN or output == chosen, chosen
            case ("read",):
                return output is UNKNOWN or output == state, state
        raise ValueError(f"consensus has no {input!r}; it has propose and read, see its table")

    def only_reads(self, operation: Operation) -> bool:
        """Return whether it is a read."""
        return operation.input == ("read",)


class LogPositions(Model[int]):
    """A log that returns the position of each append, from 1 on; positions rise, with gaps allowed (Raft's commands).

    | input | output |
    | --- | --- |
    | `("append", item)` | its position |
    """

    def initial(self) -> int:
        """Return 0: the log is empty."""
        return 0

    def step(self, state: int, input: Datum, output: Output, /) -> tuple[bool, int]:  # noqa: A002
        """Append."""
        match input:
            case ("append", _):
                if isinstance(output, int):
                    return output > state, output
                return output is UNKNOWN, state  # its position was not observed
        raise ValueError(f"a log of positions has no {input!r}; it has append, see its table")
