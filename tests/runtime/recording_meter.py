"""A meter for tests: it always measures, and records its calls by the number of the request."""

from __future__ import annotations

from collections.abc import Callable


class RecordingMeter:
    """Implements `RequestMeter`. `calls` by number, in order; `loads`: the report by node."""

    def __init__(self, loads: dict[str, tuple[object, ...]] | None = None) -> None:
        self.loads = loads or {}
        self.calls: dict[int, list[str]] = {}
        self.times: dict[int, list[float]] = {}
        self.loop_s = 0.0
        self.last_number = 0
        self.changed: Callable[[bool], None] = lambda _: None

    def attach(self, changed: Callable[[bool], None]) -> None:
        self.changed = changed
        changed(True)

    def arrived(self, deadline: float, *, now: float) -> int:
        self.last_number += 1
        number = self.last_number
        self.note(number, "arrived", now)
        return number

    def started(self, number: int, *, now: float) -> None:
        self.note(number, "started", now)

    def returned(self, number: int, *, now: float) -> None:
        self.note(number, "returned", now)

    def completed(self, number: int, *, is_failure: bool, now: float) -> None:
        self.note(number, "failed" if is_failure else "completed", now)

    def abandoned(self, number: int) -> None:
        self.note(number, "abandoned", 0.0)

    def used_loop(self, seconds: float) -> None:
        self.loop_s += seconds

    def load_for(self, node: str, *, now: float) -> tuple[object, ...] | None:
        return self.loads.get(node)

    def note(self, number: int, what: str, now: float) -> None:
        self.calls.setdefault(number, []).append(what)
        self.times.setdefault(number, []).append(now)
