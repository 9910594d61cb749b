"""What happened in a simulation, for people: a line for each life, fault, letter of note and word of a judge."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from coterie.protocols.simulation.run_trace import TraceLine

__all__ = ["Story"]

TAIL_LINES = 60


class Story:
    """The lines of one run.

    Args:
        now: the world's time (s).
        note: takes each line into the world's own trace; None if nobody asked for its hash.
        is_whole: whether to keep all lines, not the last ones alone.
    """

    def __init__(self, now: Callable[[], float], note: Callable[..., None] | None, *, is_whole: bool) -> None:
        self._now = now
        self._note = note
        self.is_whole = is_whole
        """Whether all lines are kept: then letters are worth telling too."""
        self._lines: deque[TraceLine] = deque(maxlen=None if is_whole else TAIL_LINES)

    def tell(self, node: str | None, what: str, detail: object = None) -> None:
        """Note that `what` happened at `node` (None: to them all)."""
        line = TraceLine(self._now(), node, what, "" if detail is None else str(detail))
        self._lines.append(line)
        if self._note is not None:
            self._note(line)

    @property
    def lines(self) -> tuple[TraceLine, ...]:
        """What is kept, oldest first."""
        return tuple(self._lines)

    @property
    def tail(self) -> tuple[str, ...]:
        """The last lines, rendered."""
        return tuple(str(line) for line in list(self._lines)[-TAIL_LINES:])
