"""`RunLog`: keeps the trace of a simulation run as text: a line for each node start, fault, message and violation."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from coterie.protocols.simulation.run_trace import TraceLine

__all__ = ["RunLog"]

TAIL_LINES = 60


class RunLog:
    """Collects the lines of one run.

    Args:
        now: the world's time (s).
        on_line: adds each line to the world's step trace; None unless the run is hashed.
        keeps_all: whether to keep all lines, not only the last 60.
    """

    def __init__(self, now: Callable[[], float], on_line: Callable[..., None] | None, *, keeps_all: bool) -> None:
        self._now = now
        self._on_line = on_line
        self.keeps_all = keeps_all
        """Whether all lines are kept; only then are single messages logged too."""
        self._lines: deque[TraceLine] = deque(maxlen=None if keeps_all else TAIL_LINES)

    def record(self, node: str | None, what: str, detail: object = None) -> None:
        """Add a line: `what` happened at `node` (None: in the whole cluster)."""
        line = TraceLine(self._now(), node, what, "" if detail is None else str(detail))
        self._lines.append(line)
        if self._on_line is not None:
            self._on_line(line)

    @property
    def lines(self) -> tuple[TraceLine, ...]:
        """The lines kept, oldest first."""
        return tuple(self._lines)

    @property
    def tail(self) -> tuple[str, ...]:
        """The last 60 lines, rendered."""
        return tuple(str(line) for line in list(self._lines)[-TAIL_LINES:])
