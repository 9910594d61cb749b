"""Program errors: what is wrong with a program, a declaration or a plan, or with coterie itself."""

from __future__ import annotations

from coterie.errors.root_error import CoterieError, Outcome

__all__ = [
    "BadMessage",
    "FenceError",
    "InvariantViolated",
    "MessageTypeError",
    "PlanError",
    "SimulationStuck",
    "SnapshotFailed",
    "TopologyError",
    "VirtualDeadlock",
    "WrongThread",
]


class InvariantViolated(CoterieError):
    """A safety invariant of an algorithm does not hold: the group halts and is never restarted into this state."""

    outcome = Outcome.UNKNOWN


class SimulationStuck(CoterieError):
    """A simulation took more simulated time or more steps than its limit: the message names what it waits for."""


class PlanError(CoterieError, ValueError):
    """A fault plan that cannot be carried out: the message names the fault or field and the most similar valid one."""


class MessageTypeError(CoterieError, TypeError):
    """A class that cannot be a message: a mutable or unencodable field, a name declared twice."""


class BadMessage(CoterieError, ValueError):
    """A value from (or for) the wire does not fit its message type: it names the message, the field and the value."""


class WrongThread(CoterieError, RuntimeError):
    """A system was used outside its event loop: other threads use `system.threadsafe`."""

    def __init__(self, node: str) -> None:
        super().__init__(
            f"system {node!r} was used outside its event loop: nothing was done; other threads use system.threadsafe"
        )


class VirtualDeadlock(CoterieError):
    """In virtual time nothing is ready and no timer is set, but tasks still wait: they would wait forever.

    `waiting`: for each pending task, in order, where it waits.
    """

    def __init__(self, waiting: tuple[str, ...]) -> None:
        self.waiting = waiting
        lines = "".join(f"\n  {line}" for line in waiting)
        super().__init__(f"deadlock: nothing is ready, no timer is set, and {len(waiting)} task(s) wait:{lines}")


class FenceError(CoterieError, NotImplementedError):
    """Simulated code used the real machine: `call` is the function it called, `place` the caller's file and line."""

    def __init__(self, call: str, place: str, advice: str) -> None:
        super().__init__(f"{call} at {place} would leave the virtual world: {advice}")
        self.call, self.place = call, place


class SnapshotFailed(CoterieError, ValueError):
    """The state of a machine cannot be saved, or not be restored: the message names what prevents it, and what to do.

    A state that was being restored must not be used. A state that was being saved is as it was.
    """


class TopologyError(CoterieError, ValueError):
    """A topology that cannot run: `mistakes` are all mistakes that were found, one line each."""

    def __init__(self, topology: str, mistakes: tuple[str, ...]) -> None:
        super().__init__(f"topology {topology!r} cannot run: {'; '.join(mistakes)}")
        self.topology, self.mistakes = topology, mistakes
