"""`ClassState`: remembers the attributes of a machine's class, which are in no snapshot, so that none may change."""

from __future__ import annotations

from typing import Any, Final

from coterie.actors.groups.compaction.machine_guard import first_difference_from, frozen_state
from coterie.actors.groups.snapshots.state_encoding import transient_names
from coterie.actors.groups.state_machine import StateMachine
from coterie.errors import SnapshotFailed

__all__ = ["ClassState"]

REMEMBERED_VALUES: Final = 200
"""So many values in attributes of the class are remembered: of larger ones the size and a sample."""


class ClassState:
    """The attributes of a class, and of its bases below `StateMachine`, as they were at first.

    Callable ones, properties and the like do not count, nor those that the class names in `transient`.

    Args:
        machine: the user's machine, None: there is none.
    """

    def __init__(self, machine: Any) -> None:
        self._class = type(machine) if isinstance(machine, StateMachine) else None
        self._holder = _Holder()
        self._names: set[str] = set()
        if self._class is not None:
            vars(self._holder).update(_attributes_of(self._class))
            self._names = set(vars(self._holder))
        self._state = frozen_state(self._holder, REMEMBERED_VALUES)

    def check(self) -> None:
        """Raise a `SnapshotFailed` that names an attribute which is not what it was."""
        cls, state = self._class, self._state
        if cls is None or state is None:
            return
        vars(self._holder).clear()
        vars(self._holder).update(_attributes_of(cls))
        new = next((name for name in vars(self._holder) if name not in self._names), None)
        found = None if new is not None else first_difference_from(state, self._holder)
        if new is None and found is None:
            return
        what = f"{new} is new" if found is None else f"{found.path[1:]} was {found.frozen}, and is {found.other}"
        raise SnapshotFailed(
            f"{what}: this is an attribute of the class, not of the machine: it is in no snapshot, so that it would be "
            "lost, and all machines of a process share it: set it in __init__ of the machine; or, if it is no state, "
            f"name it in `transient` of {cls.__name__}"
        )


class _Holder:
    """Has the attributes of classes as its own."""


def _attributes_of(cls: type) -> dict[str, Any]:
    left_out = transient_names(cls)
    return {
        f"{base.__name__}.{name}": value
        for base in reversed(cls.__mro__[: cls.__mro__.index(StateMachine)])
        for name, value in vars(base).items()
        if name not in left_out
        and not (name.startswith("__") and name.endswith("__"))
        and not callable(value)
        and not hasattr(type(value), "__get__")
    }
