"""Models of what consensus algorithms themselves promise: one value for ever, and one order of everything."""

from __future__ import annotations

from coterie.protocols.checking.linearizability.models.model import Model
from coterie.protocols.checking.linearizability.operation import Operation
from coterie.protocols.checking.linearizability.values import UNKNOWN, Datum, Output

__all__ = ["Consensus", "Places"]


class Consensus(Model[Datum]):
    """A value that is chosen once (Synod); None is chosen by nobody.

    | input | output |
    | --- | --- |
    | `("propose", value)` | the chosen value: this one, or an earlier one |
    | `("read",)` | the chosen value, or None if there is none |
    """

    has_finite_states = True

    def initial(self) -> Datum:
        """Return None: nothing is chosen."""
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
        """Tell reads from proposals."""
        return operation.input == ("read",)


class Places(Model[int]):
    """A log that tells each append its place, from 1 on; places may be left out, but rise (Raft's commands).

    | input | output |
    | --- | --- |
    | `("append", item)` | its place |
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
                return output is UNKNOWN, state  # wherever it is, nobody was told
        raise ValueError(f"a log of places has no {input!r}; it has append, see its table")
