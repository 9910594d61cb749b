"""What happens to actors, for whoever wants to know: events, published where they happen.

    unsubscribe = system.events.subscribe(lambda event: print(event.name, event.actor, event.facts))

| name | when | facts |
| --- | --- | --- |
| `actor.started` | its start hook succeeded, for the first time | |
| `actor.failed` | a handler or hook raised | `error` |
| `actor.restarted` | a new instance is in its place | |
| `actor.stopped` | it is no more | `cause` |
| `actor.stalled` | its handler has held the loop too long | `message`, `held_s` |
| `mailbox.overflowed` | a message found no room and the policy is to fail | `message`, `capacity` |
| `dead_letter` | a message reached nobody | `message`, `reason`, `detail` |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["Event", "Events"]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened: `name` as in the table, `actor` its path, `facts` what more there is to say."""

    name: str
    actor: str
    facts: Mapping[str, object]


class Events:
    """The events of one system. Publishers look at `listeners` first, so that it costs nothing while there are none."""

    __slots__ = ("listeners",)

    def __init__(self) -> None:
        self.listeners: list[Callable[[Event], None]] = []

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call `listener` with each event from now on, where it happens; return what ends that.

        It must be quick and must not raise.
        """
        self.listeners.append(listener)

        def unsubscribe() -> None:
            if listener in self.listeners:
                self.listeners.remove(listener)

        return unsubscribe

    def publish(self, name: str, actor: str, **facts: object) -> None:
        """Tell whoever listens."""
        event = Event(name, actor, facts)
        for listener in tuple(self.listeners):
            listener(event)
