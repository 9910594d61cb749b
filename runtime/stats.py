"""What a look at a system shows."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SystemStats"]


@dataclass(frozen=True, slots=True)
class SystemStats:
    """A look at a system. Counts are since its start.

    `actors`: alive now. `handled`: messages. `waiting`: messages in mailboxes now; `deepest`: the deepest mailbox.
    `asks_out`: asks to other nodes that are unanswered. `failures`: exceptions out of handlers and hooks. `restarts`.
    `dead_letters`: by reason. `links`: names of linked systems. `transport`: counters of frames, bytes and items.
    """

    actors: int
    handled: int
    waiting: int
    deepest: int
    asks_out: int
    failures: int
    restarts: int
    dead_letters: dict[str, int]
    links: tuple[str, ...]
    transport: dict[str, int]
