"""`History`: records each operation that a client starts, and its result, while the clients run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from coterie.errors import CoterieError
from coterie.protocols.checking.linearizability.operation import Operation
from coterie.protocols.checking.linearizability.values import UNKNOWN, Datum, Key, Output, is_datum, is_key

__all__ = ["EventKind", "History", "HistoryError", "HistoryEvent"]


class HistoryError(CoterieError, ValueError):
    """A history contradicts itself, or was given a value that it cannot hold: the message names the operation."""


class EventKind(StrEnum):
    """The kinds of events of an operation."""

    INVOKED = "invoked"
    RETURNED = "returned"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class HistoryEvent:
    """An event of an operation; `operation` is its state afterwards (a failed one has no output)."""

    kind: EventKind
    operation: Operation
    at_s: float


class History:
    """Operations in the order of their events; the order of the calls is the order in which things happened.

    Record with one of these where the clients run (one process, one thread), at the moments they begin and end:

        history = History()
        put = history.invoked("c1", ("put", b"1"), key=b"k", at_s=0.0)
        history.returned(put, at_s=0.1)

    Every operation ends at most once: `returned`; `failed`: it definitely did not and will not take effect (it is not
    in `operations`); or `unknown`, such as a time-out or a lost connection: it may take effect at any later time, or
    never. An operation without an end when the history is checked counts as unknown.

    Times are seconds of any clock that does not go back. Every method raises `HistoryError` on a contradiction: an
    operation that was never invoked or has ended, time that goes back, a value that is not a `Datum`.
    """

    def __init__(self) -> None:
        self._events: list[HistoryEvent] = []
        self._last: list[HistoryEvent] = []  # by operation

    def __len__(self) -> int:
        """How many operations were invoked, failed ones included."""
        return len(self._last)

    @property
    def events(self) -> Sequence[HistoryEvent]:
        """All events, in order."""
        return tuple(self._events)

    @property
    def operations(self) -> Sequence[Operation]:
        """All operations that may have taken effect, in the order of their invocation."""
        return tuple(event.operation for event in self._last if event.kind is not EventKind.FAILED)

    def invoked(self, client: str, input: Datum, *, key: Key = None, at_s: float) -> int:  # noqa: A002 (the usual term)
        """Record that `client` begins an operation; return its number, which identifies it from now on."""
        number = len(self._last)
        if not isinstance(client, str):
            raise HistoryError(f"operation {number}: the client must be a str, not {client!r}")
        if not is_key(key):
            raise HistoryError(f"operation {number} of {client!r}: a key is a str, bytes, an int or None, not {key!r}")
        self._check_datum(number, client, "input", input)
        self._check_time(number, at_s)
        operation = Operation(number, client, key, input, UNKNOWN, len(self._events), None, at_s, None)
        event = HistoryEvent(EventKind.INVOKED, operation, at_s)
        self._last.append(event)
        self._events.append(event)
        return number

    def returned(self, number: int, output: Output = None, *, at_s: float) -> None:
        """Record that operation `number` returned `output` (`UNKNOWN`: it returned, but the output was not read)."""
        operation = self._open(number, at_s)
        if output is not UNKNOWN:
            self._check_datum(number, operation.client, "output", output)
        ended = replace(operation, output=output, returned_at=len(self._events), returned_s=at_s)
        self._append(EventKind.RETURNED, ended, at_s)

    def failed(self, number: int, *, at_s: float) -> None:
        """Record that operation `number` has definitely not taken effect and never will."""
        self._append(EventKind.FAILED, self._open(number, at_s), at_s)

    def unknown(self, number: int, *, at_s: float) -> None:
        """Record that the client gave up operation `number`: its outcome is unknown."""
        self._append(EventKind.UNKNOWN, self._open(number, at_s), at_s)

    def __iter__(self) -> Iterator[Operation]:
        """Iterate over `operations`."""
        return iter(self.operations)

    def _append(self, kind: EventKind, operation: Operation, at_s: float) -> None:
        event = HistoryEvent(kind, operation, at_s)
        self._last[operation.number] = event
        self._events.append(event)

    def _open(self, number: int, at_s: float) -> Operation:
        if not 0 <= number < len(self._last):
            raise HistoryError(f"operation {number} was never invoked: there are {len(self._last)}")
        last = self._last[number]
        if last.kind is not EventKind.INVOKED:
            raise HistoryError(f"operation {number} of {last.operation.client!r} has already ended: {last.kind.value}")
        self._check_time(number, at_s)
        return last.operation

    def _check_time(self, number: int, at_s: float) -> None:
        if not math.isfinite(at_s):
            raise HistoryError(f"operation {number}: {at_s!r} is not a finite time")
        if self._events and at_s < self._events[-1].at_s:
            raise HistoryError(f"operation {number}: time goes back from {self._events[-1].at_s!r} to {at_s!r} s")

    def _check_datum(self, number: int, client: str, what: str, value: object) -> None:
        if not is_datum(value):
            raise HistoryError(
                f"operation {number} of {client!r}: its {what} {value!r} must be None, bool, int, finite float, "
                f"str, bytes or a tuple of those"
            )
