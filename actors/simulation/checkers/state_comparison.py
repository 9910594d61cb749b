"""`StateComparison`: compares the whole states of a group's replicas, so that no difference stays hidden in a replica.

| invariant | broken when |
| --- | --- |
| `raft.state_equal` | two replicas that have applied the same entries have different states |

Digests of replies (`coterie.protocols.checkpoints`) show a difference once a reply shows it. A simulation can look
into the machines: a random number drawn in `apply` is found although no reply has shown it yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from coterie.actors.groups.replicas.typed_machine import TypedMachine
from coterie.actors.simulation.checkers.state_structure import first_difference, structure_of
from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.violation import ViolationContext
from coterie.protocols.replicated_log import LogIndex
from coterie.protocols.sessions import Machine

__all__ = ["ComparedMachine", "StateComparison"]

COMPARED_ENTRIES: Final = 32
"""Replicas are compared whenever they have applied another so many entries, and at the end of the run."""

STATES_KEPT: Final = 64
"""The states of so many indexes are kept for replicas that lag behind."""


class StateComparison:
    """The first state that is reported for an index is compared with every later one for it.

    Replicas that run different code, during an upgrade, are not compared with each other: each release may keep its
    state in its own way. That they answer alike is compared by their digests.

    Args:
        group: the name of the group.
        context: the present time and step of the run.
    """

    def __init__(self, group: str, context: ViolationContext) -> None:
        self._group = group
        self._context = context
        self._first_by_place: dict[tuple[LogIndex, type], tuple[NodeId, object]] = {}

    def reached(self, node: NodeId, index: LogIndex, machine: object) -> None:
        """Compare the state that `machine` has on `node` after all entries before `index`."""
        structure = structure_of(machine)
        first = self._first_by_place.setdefault((index, type(machine)), (node, structure))
        if len(self._first_by_place) > STATES_KEPT:
            del self._first_by_place[next(iter(self._first_by_place))]
        difference = first_difference(first[1], structure)
        if difference is not None:
            path, expected, found = difference
            detail = f"group {self._group!r}, before entry {index}: {path} is {found}, on {first[0]} it is {expected}"
            self._context.fail("raft.state_equal", node, detail)


class ComparedMachine:
    """A `Machine` that reports its state before it executes the first command at or after every 32nd entry.

    All replicas execute the same commands, so they report at the same points.
    """

    def __init__(self, machine: Machine, report: Callable[[LogIndex, object], None]) -> None:
        self._machine = machine
        self._report = report
        self._next_index = COMPARED_ENTRIES
        self._was_reset = False

    @property
    def state(self) -> object:
        """The user's machine."""
        return self._machine.machine if isinstance(self._machine, TypedMachine) else self._machine

    def apply(self, index: LogIndex, command: bytes, /) -> bytes:
        """Report the state if it is due; execute the command."""
        if self._was_reset:
            self._skip_restored()
        if index >= self._next_index:
            due = index - index % COMPARED_ENTRIES
            self._next_index = due + COMPARED_ENTRIES
            self._report(index, self.state)
        return self._machine.apply(index, command)

    def snapshot(self) -> Iterator[bytes]:
        """Return the state of the machine."""
        return self._machine.snapshot()

    def restore(self, piece: bytes, /) -> None:
        """Restore the machine."""
        self._machine.restore(piece)

    def reset(self) -> None:
        """Reset the machine: it may be restored at any entry."""
        self._machine.reset()
        self._was_reset = True

    def _skip_restored(self) -> None:
        """Report nothing before the first due index that is above all entries that the restored state holds."""
        self._was_reset = False
        last: int = getattr(self.state, "index", 0)
        self._next_index = last - last % COMPARED_ENTRIES + COMPARED_ENTRIES

    def __getattr__(self, name: str) -> Any:
        return getattr(self._machine, name)
