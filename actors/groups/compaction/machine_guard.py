"""`MachineGuard`: runs a machine's own code for a snapshot, which must not change the machine that is in use.

A `snapshot` that takes out what it saves, or a new machine that shares a dict with the present one and clears it, would
empty the replica; and the next snapshot would be of that, and agree with it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Final

from coterie.actors.groups.snapshots.frozen_difference import Difference, differences
from coterie.actors.groups.snapshots.frozen_state import FrozenState
from coterie.errors import SnapshotFailed
from coterie.runtime.actor import Context

__all__ = ["MachineChanged", "MachineGuard", "SnapshotUnusable", "first_difference_from", "frozen_state"]

GUARDED_VALUES: Final = 200
"""So many values of the machine are looked at before and after: of larger states a sample, which shows all sizes."""

FROZEN_VALUES: Final = 1000
"""So many values are remembered to be compared with those of a new machine. Higher: the loop is held for more than two
milliseconds. Lower: of fewer states all is compared, of the others a sample."""


class SnapshotUnusable(SnapshotFailed):
    """A snapshot that was written cannot be restored, or is another one once it was: the log is kept."""


class MachineChanged(SnapshotUnusable):
    """The machine that is in use was changed by its `snapshot`, or by what a new one did.

    `is_loss`: something is gone from it, so that what it answers from now on would be wrong.
    """

    def __init__(self, text: str, *, is_loss: bool) -> None:
        super().__init__(text)
        self.is_loss = is_loss


class MachineGuard:
    """Guards the machine of one replica; of another one than a `StateMachine` nothing is known.

    Args:
        machine: the user's machine, None: there is none.
        context: of the actor.
        is_checking: whether it is looked if the machine changes; else it is only named to the watchdog.
    """

    def __init__(self, machine: Any, context: Context, *, is_checking: bool = True) -> None:
        self._machine = machine
        self._context = context
        self._is_checking = is_checking

    @contextlib.contextmanager
    def running(self, method: str) -> Iterator[None]:
        """Run a method of the machine, or of one of its class, within the block, which awaits nothing.

        Raises:
            MachineChanged: at the end of the block: the machine is not what it was.
        """
        machine = self._machine
        if machine is None:
            yield
            return
        name = f"{type(machine).__name__}.{method}"
        before = frozen_state(machine, GUARDED_VALUES) if self._is_checking else None
        try:
            with self._context.system.run_queue.naming(self._context.self_ref.path, name):
                yield
        except SnapshotFailed as error:
            _check_unchanged(name, before, error)
            raise
        _check_unchanged(name, before, None)


def frozen_state(
    machine: object, values_max: int = FROZEN_VALUES, *, with_transient: bool = False
) -> FrozenState | None:
    """Return the state of a machine as it is now; None: code of its own prevents that."""
    try:
        return FrozenState(machine, values_max, with_transient=with_transient)
    except Exception:  # noqa: BLE001 (a metaclass, a key, or whatever it holds: then nothing is compared)
        return None


def first_difference_from(state: FrozenState, other: object) -> Difference | None:
    """Return the first difference, found at once."""
    return next((found for found in differences(state, other) if found is not None), None)


def _check_unchanged(name: str, before: FrozenState | None, cause: Exception | None) -> None:
    found = None if before is None else first_difference_from(before, before.machine)
    if before is None or found is None:
        return
    cls = type(before.machine).__name__
    raise MachineChanged(
        f"{name} has changed the machine that is in use: {cls}{found.path} was {found.frozen}, and is {found.other}. "
        "No snapshot is taken any more, and the log has everything: mend that, and start this node again; or name an "
        f"attribute that is no state in `transient` of {cls}",
        is_loss=found.is_loss,
    ) from cause
