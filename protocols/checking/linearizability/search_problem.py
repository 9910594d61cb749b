"""`SearchProblem`: prepares the search for one key: lists the operations that may take effect before each return.

An operation that returned must take effect before its return. So the search goes from return to return: at *frontier*
i, the i-th return is the next one that must be explained, and every operation invoked before it is a candidate.

Few operations that return run at the same time, and each has a bit while it runs (bits are reused). Operations of
unknown outcome never return; those with the same input and output form a *kind*: it never helps to take a later one
before an earlier one, so the number taken of each kind identifies them. All those counts are packed into one integer,
`taken`. In an uncounted problem each kind may be taken any number of times once its first operation was invoked: an
easier problem. If even that has no solution, the counted one has none.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from coterie.protocols.checking.linearizability.operation import Operation

__all__ = ["Frontier", "OperationKind", "SearchProblem"]


@dataclass(frozen=True, slots=True)
class Frontier:
    """The next return: that of `operation`, whose bit is `bit`.

    `running`: all operations that may be linearized before it, itself first: bit, operation, whether it only reads.
    """

    operation: Operation
    bit: int
    running: Sequence[tuple[int, Operation, bool]]


@dataclass(frozen=True, slots=True)
class OperationKind:
    """Operations of unknown outcome with equal input and output, in the order of invocation.

    Their count is `taken >> shift & mask`; taking one more adds `one` to `taken`.
    """

    operations: Sequence[Operation]
    shift: int
    mask: int
    one: int

    def next(self, taken: int, before: int) -> Operation | None:
        """Return the first operation that is not taken, if it was invoked before the event at `before`."""
        count = taken >> self.shift & self.mask
        if count < len(self.operations) and self.operations[count].invoked_at < before:
            return self.operations[count]
        return None


class SearchProblem:
    """The `frontiers` and the `kinds` of some operations; kinds are in the order of their first operations.

    `guards` has the bit above each count, so that two `taken` are compared count by count in one subtraction.
    """

    __slots__ = ("frontiers", "guards", "kinds")

    def __init__(
        self, operations: Sequence[Operation], only_reads: Callable[[Operation], bool], *, is_counted: bool
    ) -> None:
        self.frontiers = _frontiers([it for it in operations if it.returned_at is not None], only_reads)
        optional = _alike([it for it in operations if it.returned_at is None and not only_reads(it)])
        self.kinds = _counted(optional) if is_counted else [OperationKind(group, 0, 0, 0) for group in optional]
        self.guards = sum(kind.one * (kind.mask + 1) for kind in self.kinds)

    def kinds_before(self, place: int) -> Iterator[OperationKind]:
        """Yield the kinds with an operation invoked before the event at `place`, the latest (the likeliest) first."""
        count = bisect_left(self.kinds, place, key=lambda kind: kind.operations[0].invoked_at)
        return (self.kinds[position] for position in range(count - 1, -1, -1))

    def took_no_more(self, taken: int, other: int) -> bool:
        """Return whether `taken` has no more operations of any kind than `other`."""
        return (other | self.guards) - taken & self.guards == self.guards


def _frontiers(operations: Sequence[Operation], only_reads: Callable[[Operation], bool]) -> list[Frontier]:
    events = [(it.invoked_at, it) for it in operations] + [(_return(it), it) for it in operations]
    running: list[tuple[int, int, Operation, bool]] = []  # the place of the return (sorted), bit, operation, it reads
    free: list[int] = []
    frontiers = []
    for place, operation in sorted(events, key=lambda event: event[0]):
        if place == operation.invoked_at:
            bit = free.pop() if free else 1 << len(running)
            insort(running, (_return(operation), bit, operation, only_reads(operation)))
        else:
            bit = running[0][1]
            frontiers.append(Frontier(operation, bit, [others[1:] for others in running]))
            del running[0]
            free.append(bit)
    return frontiers


def _return(operation: Operation) -> int:
    if operation.returned_at is None:
        raise ValueError(f"operation {operation.number} has no return")
    return operation.returned_at


def _alike(operations: Sequence[Operation]) -> list[list[Operation]]:
    alike: dict[str, list[Operation]] = {}
    for operation in sorted(operations, key=lambda it: it.invoked_at):
        alike.setdefault(repr((operation.input, operation.output)), []).append(operation)
    return list(alike.values())


def _counted(groups: Sequence[Sequence[Operation]]) -> list[OperationKind]:
    kinds, shift = [], 0
    for group in groups:
        width = len(group).bit_length()
        kinds.append(OperationKind(group, shift, (1 << width) - 1, 1 << shift))
        shift += width + 1  # and its guard
    return kinds
