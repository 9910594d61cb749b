"""`RequestMeter`: defines the interface of the meter of one actor's requests, and of the load reports made from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

__all__ = ["RequestMeter"]


class RequestMeter(Protocol):
    """Follows each ask of one actor from its arrival to its end. Given at the spawn (`meter=`), kept at restarts.

        arrived ──▶ started ──▶ returned ────▶ completed
           │           │   (reply_later, stash)    ▲
           │           └───────────────────────────┤
           └──▶ abandoned      (refused, dropped) ─┘

    Messages sent by `tell` and offers are no requests. `now` is monotonic, in seconds. All calls come from the system's
    loop; they must be quick, must not raise, and must ignore a `number` that they do not know.
    """

    def attach(self, changed: Callable[[bool], None]) -> None:
        """Call `changed` at once and at each change: True while requests are to be metered. Called once, by the cell.

        While they are not, the actor costs what any other does.
        """
        ...

    def arrived(self, deadline: float, *, now: float) -> int:
        """Count an ask that got into the mailbox; return its number. Its asker waits until `deadline`."""
        ...

    def started(self, number: int, *, now: float) -> None:
        """Record that a handler begins with it: once more if it was stashed."""
        ...

    def returned(self, number: int, *, now: float) -> None:
        """Record that the handler has ended. It is called after `completed`, too, unless the answer comes later."""
        ...

    def completed(self, number: int, *, is_failure: bool, now: float) -> None:
        """Record that it was answered: with a reply or an error that its message declares, else `is_failure`."""
        ...

    def abandoned(self, number: int) -> None:
        """Record that it will not be handled: its asker had given up before its turn."""
        ...

    def used_loop(self, seconds: float) -> None:
        """Add time that the event loop spent in this actor's handlers, as far as they handled requests."""
        ...

    def load_for(self, node: str, *, now: float) -> tuple[object, ...] | None:
        """Return the report that goes to `node` with an answer, as MessagePack can carry it; None: none."""
        ...
