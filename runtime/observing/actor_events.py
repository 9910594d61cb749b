"""Actor events: notifies subscribers that an actor started, failed, restarted, stopped, stalled or missed a message.

    unsubscribe = system.events.subscribe(lambda event: print(event.name, event.actor, event.facts))

| name | when | facts |
| --- | --- | --- |
| `actor.started` | its start hook succeeded for the first time | |
| `actor.failed` | a handler or hook raised | `error` |
| `actor.restarted` | a new instance has started | |
| `actor.stopped` | it has stopped permanently | `cause` |
| `actor.stalled` | its handler has blocked the loop too long | `message`, `held_s` |
| `mailbox.overflowed` | a message was refused because its lane is full (`Overflow.FAIL`) | `capacity`, `refused` |
| `dead_letter` | a message was not delivered | `message`, `reason`, `detail` |
| `datagram.dropped` | a datagram is not believed; once a minute per reason | `reason`, `source`, `times`, `detail` |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coterie.runtime.user_code import notify

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

__all__ = ["Event", "Events"]


@dataclass(frozen=True, slots=True)
class Event:
    """One event: `name` and `facts` as in the table above; `actor` is the actor's path ("" for a datagram)."""

    name: str
    actor: str
    facts: Mapping[str, object]


class Events:
    """Publishes the events of one system. Publishers test `listeners` first: without any, an event costs nothing."""

    __slots__ = ("_log", "listeners")

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        self.listeners: list[Callable[[Event], None]] = []

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call `listener` synchronously with each event from now on; return a function that unsubscribes it.

        The listener must be quick. What it raises is logged.
        """
        self.listeners.append(listener)

        def unsubscribe() -> None:
            if listener in self.listeners:
                self.listeners.remove(listener)

        return unsubscribe

    def publish(self, name: str, actor: str, **facts: object) -> None:
        """Call every listener with a new event."""
        notify(self._log, tuple(self.listeners), Event(name, actor, facts))
